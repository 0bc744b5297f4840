/** Forced strategies: each moves the same bytes between the ends it serves; elsewhere it refuses and touches nothing. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { type Strategy, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { mountScratch } from "../support/filesystem.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect } from "./support/connection.ts";
import { pipe } from "./support/descriptors.ts";
import { destinations, origins } from "./support/ends.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "./support/files.ts";
import { failure, rejection } from "./support/outcome.ts";

const content = data(2 * MiB + 4099);

const fromFile = ["sendfile", "splice", "mapped", "buffered", "portable"] as const;
const fromStream = ["splice", "buffered", "portable"] as const;
const appending = ["buffered", "portable"] as const;

/** Which strategies serve which pair on ext4; whatever is not here must refuse. */
const served: readonly (readonly [keyof typeof origins, keyof typeof destinations, readonly Strategy[]])[] = [
  // A path is written at explicit offsets, which sendfile has none of.
  ["file", "path", ["copyFileRange", "splice", "mapped", "buffered", "portable"]],
  ["file", "fd", ["copyFileRange", ...fromFile]],
  ["file", "append", ["mapped", ...appending]],
  ["file", "pipe", fromFile],
  ["file", "tcp", fromFile],
  ["file", "unix", fromFile],
  ["pipe", "path", fromStream],
  ["pipe", "fd", fromStream],
  ["pipe", "append", appending],
  ["pipe", "pipe", fromStream],
  ["pipe", "tcp", fromStream],
  ["tcp", "path", fromStream],
  ["tcp", "fd", fromStream],
  ["tcp", "append", appending],
  ["tcp", "pipe", fromStream],
  ["tcp", "tcp", fromStream],
  ["tcp", "unix", fromStream],
  ["unix", "tcp", fromStream],
  ["unix", "unix", fromStream],
];

/** All but reflink, which ext4 and tmpfs lack: see below for where it works. */
const all: readonly Strategy[] = ["copyFileRange", ...fromFile];

const isSocket = (kind: string): boolean => kind === "tcp" || kind === "unix";

for (const [from, to, by] of served) {
  for (const strategy of by) {
    const needs = strategy === "portable" ? [] : (["engine"] as const);
    test(`transfer() by ${strategy} from ${from} to ${to} moves the same bytes`, { needs }, async () => {
      const folder = tempFolder();
      using origin = await origins[from](content)(folder);
      using destination = await destinations[to](folder);
      const [report] = await Promise.all([transfer(origin.from, destination.to, { strategy }), origin.feed()]);
      assert.is(report.bytes, content.length);
      assert.is(report.strategy, strategy);
      // What the runtime had read of a socket before it was handed over can go by the runtime alone.
      const tried = report.attempts
        .map((attempt) => attempt.strategy)
        .filter((name, i) => i > 0 || name === strategy || !isSocket(from));
      assert.equal(tried, [strategy], "nothing else was tried");
      assertBytes(await destination.received(), content);
    });
  }

  for (const strategy of all.filter((one) => !by.includes(one))) {
    test(
      `transfer() by ${strategy} from ${from} to ${to} is ERR_SLUICE_UNSUPPORTED and moves nothing`,
      {},
      async () => {
        const folder = tempFolder();
        using origin = await origins[from](content)(folder);
        using destination = await destinations[to](folder);
        const error = await failure(() => transfer(origin.from, destination.to, { strategy }));
        assert.is(error.code, "ERR_SLUICE_UNSUPPORTED");
        assert.is(error.bytesTransferred, 0);
        assert.is((await destination.received()).length, 0);
        if (to === "path") assert.not.ok(fs.existsSync(join(folder, "target")), "the target was not created");
      },
    );
  }
}

test(
  "a forced mechanism that an end does not take is ERR_SLUICE_UNSUPPORTED, with the reason",
  { needs: ["engine"] },
  async () => {
    const { path } = dataFile(tempFolder(), 100 * KiB);
    for (const strategy of ["sendfile", "splice", ["sendfile", "splice"]] as const) {
      const error = await failure(() => transfer(path, "/dev/full", { strategy }));
      assert.equal(
        [error.code, error.errno, error.bytesTransferred],
        ["ERR_SLUICE_UNSUPPORTED", 22, 0],
        String(strategy),
      );
      assert.match(error.message, /one of the ends takes no (sendfile|splice) \(EINVAL\)/);
      assert.equal(error.attempts.at(-1)?.code, "EINVAL");
    }
    assert.is((await failure(() => transfer(path, "/dev/full"))).code, "ENOSPC");
  },
);

test(
  "transfer() by reflink shares the blocks of a file on btrfs",
  { needs: ["engine", "btrfs"], timeoutMs: 60_000 },
  async () => {
    const folder = mountScratch("btrfs");
    const { path, content: shared } = dataFile(folder, 4 * MiB);
    const into = join(folder, "target");
    const report = await transfer(path, into, { strategy: "reflink", targetOffset: 0 });
    assert.is(report.bytes, shared.length);
    assert.is(report.strategy, "reflink");
    assert.is(report.copied, "no");
    assertBytes(fs.readFileSync(into), shared);
  },
);

test(
  "transfer() by reflink on tmpfs fails, is not swapped for another and moves nothing",
  { needs: ["engine", "tmpfs"] },
  async () => {
    const folder = tempFolder("/dev/shm");
    const { path } = dataFile(folder, 4 * MiB);
    const into = join(folder, "target");
    const error = await failure(() => transfer(path, into, { strategy: "reflink", targetOffset: 0 }));
    assert.ok(["EOPNOTSUPP", "ERR_SLUICE_UNSUPPORTED"].includes(error.code), error.code);
    assert.is(error.bytesTransferred, 0);
  },
);

test(
  "transfer() by a list goes on with the next where the first is refused",
  { needs: ["engine", "tmpfs"] },
  async () => {
    const { path, content: whole } = dataFile(tempFolder(), 4 * MiB);
    const into = join(tempFolder("/dev/shm"), "target");
    const report = await transfer(path, into, { strategy: ["copyFileRange", "mapped"] });
    assert.is(report.strategy, "mapped");
    assertBytes(fs.readFileSync(into), whole);
  },
);

test("transfer() by a list tries nothing that is not in it", { needs: ["engine"] }, async () => {
  const { path } = dataFile(tempFolder(), MiB);
  using link = await connect();
  const error = await failure(() => transfer(path, link.socket, { strategy: ["reflink", "copyFileRange"] }));
  assert.is(error.code, "ERR_SLUICE_UNSUPPORTED");
});

test(
  "transfer() by a list resumes in mid-stream at the very byte where one was refused",
  { needs: ["engine"] },
  async () => {
    const folder = tempFolder();
    const half = 60 * KiB;
    const bytes = data(2 * half);
    const { reader, writer } = pipe(folder, { nonblocking: true });
    const into = join(folder, "target");
    const target = fs.openSync(into, "w");
    const sending = transfer(reader, target, { strategy: ["splice", "buffered"] });
    fs.writeSync(writer, bytes, 0, half);
    await waitFor("the first half", () => fs.statSync(into).size === half);
    setAppend(target);
    fs.writeSync(writer, bytes, half);
    fs.closeSync(writer);
    const report = await sending;
    fs.closeSync(target);
    fs.closeSync(reader);
    assert.equal(
      report.attempts.map(({ strategy, bytes: moved, code }) => ({ strategy, moved, code })),
      [
        { strategy: "splice", moved: half, code: "EINVAL" },
        { strategy: "buffered", moved: half, code: undefined },
      ],
    );
    assert.is(report.bytes, 2 * half);
    assertBytes(fs.readFileSync(into), bytes);
  },
);

/** Sets O_APPEND, which makes the kernel refuse splice; a child that inherits the open file can do it, node:fs can't. */
function setAppend(fd: number): void {
  const script = "use Fcntl; fcntl(STDOUT, F_SETFL, fcntl(STDOUT, F_GETFL, 0) | O_APPEND) or die $!";
  execFileSync("perl", ["-e", script], { stdio: ["ignore", fd, "inherit"] });
}

for (const strategy of ["teleport", "", [], ["sendfile", "teleport"], 3, null]) {
  test(`transfer() refuses ${JSON.stringify(strategy)} as a strategy`, {}, async () => {
    const { path } = dataFile(tempFolder(), 100);
    const error = await rejection(() => transfer(path, "/dev/null", { strategy: strategy as Strategy }));
    assert.instance(error, TypeError);
    assert.is(error.code, "ERR_INVALID_ARG_VALUE");
  });
}

test("transfer() with fallback: false does not take the portable path (58)", {}, async () => {
  const { path } = dataFile(tempFolder(), 100);
  const error = await failure(() => transfer(path, "/dev/null", { strategy: "portable", fallback: false }));
  assert.is(error.code, "ERR_SLUICE_UNSUPPORTED");
  assert.is(error.bytesTransferred, 0);
});
