/** A path as target that isn't there yet: when it is made, and what becomes of it when the transfer fails. */
import * as fs from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { dataFile, MiB } from "./support/files.ts";
import { failure } from "./support/outcome.ts";

interface Refusal {
  readonly name: string;
  readonly run: (folder: string, source: string, target: string) => Promise<unknown>;
}

const refusals: readonly Refusal[] = [
  { name: "a directory as source", run: (folder, _source, target) => transfer(folder, target) },
  {
    name: "a mechanism that can't serve it",
    run: (_folder, source, target) => transfer(source, target, { strategy: "vmsplice" }),
  },
  {
    name: "a lease that is refused",
    run: (_folder, source, target) => transfer(source, target, { consistency: "leased" }),
  },
  {
    name: "a signal that was aborted",
    run: (_folder, source, target) => transfer(source, target, { signal: AbortSignal.abort() }),
  },
  {
    name: "a source that is missing",
    run: (_folder, source, target) => transfer(`${source}.missing`, target),
  },
];

/** A source that somebody has open for writing, so that nobody gets a lease on it. */
function busySource(): { readonly source: string; readonly fd: number } {
  const source = dataFile(tempFolder(), 1000).path;
  return { source, fd: fs.openSync(source, "r+") };
}

for (const { name, run } of refusals) {
  test(`transfer() that is refused for ${name} makes no file, not even for a moment`, {}, async () => {
    const folder = tempFolder();
    const { source, fd } = busySource();
    // Each name that comes or goes changes the folder's time.
    fs.utimesSync(folder, 1, 1);
    await failure(() => run(folder, source, join(folder, "new")));
    assert.is(fs.statSync(folder).mtimeMs, 1000);
    fs.closeSync(fd);
  });

  test(`transfer() that is refused for ${name} leaves a link to nowhere`, {}, async () => {
    const folder = tempFolder();
    const { source, fd } = busySource();
    fs.symlinkSync("nowhere", join(folder, "link"));
    await failure(() => run(folder, source, join(folder, "link")));
    assert.equal(fs.readdirSync(folder), ["link"]);
    fs.closeSync(fd);
  });

  test(
    `transfer() that is refused for ${name} deletes nothing that others write meanwhile`,
    { timeoutMs: 60_000 },
    async () => {
      const folder = tempFolder();
      const { source, fd } = busySource();
      for (let i = 0; i < 60; i++) {
        const target = join(folder, `new-${i}`);
        const refused = failure(() => run(folder, source, target));
        for (let turns = 0; turns < i % 6; turns++) await turn();
        const written = i % 2 === 0 ? fs.promises.writeFile(target, "mine") : transfer(source, target);
        await Promise.all([refused, written]);
        assert.is(fs.statSync(target).size, i % 2 === 0 ? 4 : 1000, `after ${i % 6} turns`);
      }
      fs.closeSync(fd);
    },
  );
}

test(
  "transfer() that is aborted at any moment deletes nothing that others write meanwhile",
  { timeoutMs: 60_000 },
  async () => {
    const folder = tempFolder();
    const { path } = dataFile(tempFolder(), MiB);
    const small = dataFile(tempFolder(), 10).path;
    for (let i = 0; i < 120; i++) {
      const target = join(folder, `new-${i}`);
      const abort = new AbortController();
      const aborted = transfer(path, target, { signal: abort.signal }).then(
        () => true,
        () => false,
      );
      const other = i % 2 === 0 ? transfer(small, target) : fs.promises.writeFile(target, "0123456789");
      for (let turns = 0; turns < i % 9; turns++) await turn();
      abort.abort();
      await Promise.all([aborted, other]);
      assert.ok(fs.existsSync(target), `aborted after ${i % 9} turns`);
    }
  },
);

test(
  "transfer() that fails before its first byte takes back what it has made, and nothing else",
  { needs: ["engine"] },
  async () => {
    const folder = tempFolder("/dev/shm");
    const { path } = dataFile(tempFolder("/dev/shm"), 1000);
    const target = join(folder, "new");
    // The kernel alone knows that it can't, when the file is there.
    const share = () => failure(() => transfer(path, target, { strategy: "reflink" }));
    await share();
    assert.equal(fs.readdirSync(folder), []);
    fs.writeFileSync(target, "");
    await share();
    assert.equal(fs.readdirSync(folder), ["new"]);
  },
);

test(
  "transfer() to a link that leads nowhere makes the file that it names, in the folder that the kernel finds",
  {},
  async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 1000);
    fs.mkdirSync(join(folder, "x"));
    fs.mkdirSync(join(folder, "y", "z"), { recursive: true });
    fs.symlinkSync("../y/z", join(folder, "x", "dl"));
    fs.symlinkSync("../made", join(folder, "y", "z", "link"));
    for (const durable of [false, true]) {
      await transfer(path, join(folder, "x", "dl", "link"), { durable });
      assert.ok(fs.readFileSync(join(folder, "y", "made")).equals(content));
      assert.ok(fs.lstatSync(join(folder, "y", "z", "link")).isSymbolicLink());
      fs.rmSync(join(folder, "y", "made"));
    }
  },
);

test("transfer() to one new path many times at once writes one whole file", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(tempFolder(), 1000);
  for (let round = 0; round < 20; round++) {
    const target = join(folder, `new-${round}`);
    await Promise.all(Array.from({ length: 6 }, () => transfer(path, target)));
    assert.ok(fs.readFileSync(target).equals(content));
  }
});
