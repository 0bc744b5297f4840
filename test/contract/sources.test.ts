/** CASES.md B: what is sent from. Sockets as sources are in socket-sources.test.ts. */
import * as fs from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Target, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { arrivals, connect } from "./support/connection.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";
import { failure, rejection } from "./support/outcome.ts";

/** Files whose st_size is 0 or 4096 whatever they hold; of the second row, sendfile and splice want nothing. */
const virtual = [
  ["/proc/version", "/proc/cpuinfo", "/proc/filesystems", "/sys/class/net/lo/mtu", "/proc/sys/kernel/ostype"],
  ["/proc/self/environ", "/proc/self/cmdline", "/proc/self/limits", "/proc/self/mountinfo", "/proc/self/cgroup"],
].flat();
for (const path of virtual) {
  test(`transfer() of ${path} sends what it holds, whatever its size says (19, 20)`, { needs: ["proc"] }, async () => {
    const content = fs.readFileSync(path);
    const { result, received } = await arrivals((socket) => transfer(path, socket));
    assert.is(result.bytes, content.length);
    assert.is(received.toString(), content.toString());
    const into = join(tempFolder(), "target");
    assert.is((await transfer(path, into)).bytes, content.length);
    assert.is(fs.readFileSync(into, "utf8"), content.toString());
  });
}

test("transfer() of part of a procfs file keeps to the range (19)", { needs: ["proc"] }, async () => {
  const content = fs.readFileSync("/proc/version");
  const options = { offset: 6, length: 7 };
  const { received } = await arrivals((socket) => transfer("/proc/version", socket, options));
  assert.is(received.toString(), content.subarray(6, 13).toString());
});

test("transfer() of 1 MiB and a byte of /dev/zero sends just that (21)", {}, async () => {
  const options = { length: MiB + 1 };
  const { result, received } = await arrivals((socket) => transfer("/dev/zero", socket, options));
  assert.is(result.bytes, MiB + 1);
  assertBytes(received, Buffer.alloc(MiB + 1));
});

test("transfer() of 1 MiB and a byte of /dev/urandom fills a file (21)", {}, async () => {
  const into = join(tempFolder(), "target");
  const { bytes } = await transfer("/dev/urandom", into, { length: MiB + 1 });
  assert.is(bytes, MiB + 1);
  assert.is(fs.statSync(into).size, MiB + 1);
  assert.not.equal(sha256(fs.readFileSync(into)), sha256(Buffer.alloc(MiB + 1)));
});

test(
  "transfer() of /dev/zero without a length goes no further than the peer reads, and can be aborted (21)",
  {},
  async () => {
    using link = await connect();
    const abort = new AbortController();
    const error = await failure(() =>
      transfer("/dev/zero", link.socket, { signal: abort.signal, onProgress: () => abort.abort() }),
    );
    assert.is(error.code, "ABORT_ERR");
    assert.ok(error.bytesTransferred > 0);
    assert.ok(error.bytesTransferred < 64 * MiB, `${error.bytesTransferred} is more than the kernel's buffers hold`);
  },
);

test("transfer() of /dev/null is the end of file at once (22)", {}, async () => {
  const { result, received } = await arrivals((socket) => transfer("/dev/null", socket));
  assert.is(result.bytes, 0);
  assert.is(received.length, 0);
});

interface Refusal {
  /** The access mode of a descriptor is for the engine to tell; without it the first read does, when the target is there. */
  readonly needs?: readonly "engine"[];
  readonly name: string;
  readonly code: string;
  readonly source: (folder: string) => string | number;
}

const O_PATH = 0o10000000;

const refused: readonly Refusal[] = [
  { name: "a directory (23)", code: "EISDIR", source: (folder) => folder },
  { name: "a directory's fd (23)", code: "EISDIR", source: (folder) => fs.openSync(folder, "r") },
  {
    name: "an fd open for writing alone (24)",
    needs: ["engine"],
    code: "EBADF",
    source: (folder) => fs.openSync(join(folder, "w"), "w"),
  },
  {
    name: "an fd opened with O_PATH (24)",
    needs: ["engine"],
    code: "EBADF",
    source: (folder) => fs.openSync(file(folder), O_PATH),
  },
  { name: "a number that nothing is open under (24)", code: "EBADF", source: () => 99_999 },
  { name: "a missing path (25)", code: "ENOENT", source: (folder) => join(folder, "missing") },
  { name: "a path through a file (25)", code: "ENOTDIR", source: (folder) => join(file(folder), "below") },
  { name: "a symbolic link to itself (25)", code: "ELOOP", source: loop },
  { name: "a name that is too long (25)", code: "ENAMETOOLONG", source: (folder) => join(folder, "x".repeat(300)) },
];

const file = (folder: string): string => dataFile(folder, 100).path;

function loop(folder: string): string {
  const path = join(folder, "loop");
  fs.symlinkSync(path, path);
  return path;
}

for (const { name, code, source, needs = [] } of refused) {
  test(`transfer() of ${name} is ${code} and leaves the target alone`, { needs }, async () => {
    const folder = tempFolder();
    const from = source(folder);
    const into = join(folder, "target");
    const targets: readonly [string, Target][] = [
      ["a new path", into],
      ["an existing path", file(tempFolder())],
    ];
    for (const [what, target] of targets) {
      const error = await failure(() => transfer(from, target));
      assert.is(error.code, code, what);
      assert.is(error.bytesTransferred, 0);
    }
    assert.not.ok(fs.existsSync(into), "the target was not created");
    assert.is(fs.statSync(String(targets[1]?.[1])).size, 100, "the existing one was not emptied");
    const { received } = await arrivals(async (socket) => {
      assert.is((await failure(() => transfer(from, socket))).code, code);
      socket.write("404");
    });
    assert.is(received.toString(), "404", "one may still answer on the socket");
  });
}

const wrong: readonly (readonly [unknown, string])[] = [
  ["a\0b", "ERR_INVALID_ARG_VALUE"],
  [-1, "EBADF"],
  [-2, "ERR_OUT_OF_RANGE"],
  [1.5, "ERR_OUT_OF_RANGE"],
  [2 ** 31, "ERR_OUT_OF_RANGE"],
  [undefined, "ERR_INVALID_ARG_TYPE"],
  [null, "ERR_INVALID_ARG_TYPE"],
  [{}, "ERR_INVALID_ARG_TYPE"],
  [true, "ERR_INVALID_ARG_TYPE"],
];
for (const [value, code] of wrong) {
  test(`transfer() takes ${JSON.stringify(value)} for neither source nor target (24, 25)`, {}, async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 100);
    const into = join(folder, "target");
    assert.is((await rejection(() => transfer(value as string, into))).code, code);
    assert.is((await rejection(() => transfer(path, value as string))).code, code);
    assert.not.ok(fs.existsSync(into));
  });
}

test("transfer() of a tmpfs file and of an unlinked one is like any file's (34)", { needs: ["tmpfs"] }, async () => {
  const { path, content } = dataFile(tempFolder("/dev/shm"), 300_001);
  const linked = await arrivals((socket) => transfer(path, socket));
  assertBytes(linked.received, content);
  const fd = fs.openSync(path, "r");
  fs.unlinkSync(path);
  const unlinked = await arrivals((socket) => transfer(fd, socket, { offset: 1 }));
  fs.closeSync(fd);
  assertBytes(unlinked.received, content.subarray(1));
});

test("transfer() takes a path, a URL, an fd, an object with an fd and a FileHandle alike", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 70_000);
  const handle = await open(path);
  const fd = fs.openSync(path, "r");
  for (const source of [path, pathToFileURL(path), fd, { fd }, handle]) {
    const { received } = await arrivals((socket) => transfer(source, socket));
    assertBytes(received, content);
  }
  fs.closeSync(fd);
  await handle.close();
});

test("transfer() leaves the descriptors that it was given open", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1000);
  const source = fs.openSync(path, "r");
  const target = fs.openSync(join(folder, "target"), "w+");
  await transfer(source, target);
  await failure(() => transfer(target, "/dev/full"));
  assert.is(fs.fstatSync(source).size, 1000);
  assert.is(fs.fstatSync(target).size, 1000);
  fs.closeSync(source);
  fs.closeSync(target);
});

test("transfer() of a Uint8Array sends the view, not its whole buffer", {}, async () => {
  const { content } = dataFile(tempFolder(), 100_000);
  const view = new Uint8Array(content.buffer, content.byteOffset + 10, 90_000);
  const { result, received } = await arrivals((socket) => transfer(view, socket, { offset: 5, length: 89_000 }));
  assert.is(result.bytes, 89_000);
  assertBytes(received, content.subarray(15, 89_015));
});
