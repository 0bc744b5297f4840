/** What another user may not do. Needs root, which can become another user and come back. */
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { copyFile, explain, transfer, type TransferOptions } from "sluice";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arrivals } from "../contract/support/connection.ts";
import { assertBytes, dataFile } from "../contract/support/files.ts";
import { failure } from "../contract/support/outcome.ts";
import { unmet } from "../support/needs.ts";
import { skipLine } from "../support/protocol.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("permissions");
const missing = await unmet(["root"]);

/** Runs a test as nobody, in folders that root has made. */
function asNobody(name: string, body: (folder: string) => Promise<void>): void {
  if (missing !== undefined) {
    test.skip(name);
    console.log(skipLine(name, missing));
    return;
  }
  test(name, async () => {
    const folder = tempFolder();
    fs.chmodSync(folder, 0o777);
    // Starts the engine's threads: the C library has to reach those too when it changes the user.
    await transfer(process.execPath, "/dev/null");
    try {
      await body(folder);
    } finally {
      process.seteuid?.(0);
    }
  });
}

const become = () => process.seteuid?.(65_534);

asNobody("transfer() of a file that may not be read is EACCES and leaves the target alone (25)", async (folder) => {
  const { path } = dataFile(folder, 1000);
  fs.chmodSync(path, 0o000);
  become();
  const into = join(folder, "target");
  const error = await failure(() => transfer(path, into));
  assert.is(error.code, "EACCES");
  assert.is(error.bytesTransferred, 0);
  assert.not.ok(fs.existsSync(into));
  const { received } = await arrivals(async (socket) => {
    assert.is((await failure(() => transfer(path, socket))).code, "EACCES");
    socket.write("403");
  });
  assert.is(received.toString(), "403");
});

asNobody("transfer() to a file that may not be written is EACCES and does not empty it (52)", async (folder) => {
  const { path } = dataFile(folder, 1000);
  const { path: into, content } = dataFile(folder, 500, 2);
  fs.chmodSync(into, 0o444);
  become();
  assert.is((await failure(() => transfer(path, into))).code, "EACCES");
  assertBytes(fs.readFileSync(into), content);
});

asNobody("copyFile() into a folder that may not be written is EACCES", async (folder) => {
  const { path } = dataFile(folder, 1000);
  const closed = join(folder, "closed");
  fs.mkdirSync(closed, 0o755);
  become();
  assert.is((await failure(() => copyFile(path, join(closed, "target")))).code, "EACCES");
  assert.equal(fs.readdirSync(closed), []);
});

asNobody("copyFile() of a file that may not be read is EACCES", async (folder) => {
  const { path } = dataFile(folder, 1000);
  fs.chmodSync(path, 0o000);
  become();
  assert.is((await failure(() => copyFile(path, join(folder, "target")))).code, "EACCES");
  assert.equal(fs.readdirSync(folder).length, 1);
});

asNobody(
  "copyFile() works for a user without privileges, whose linkat(2) may not name a descriptor",
  async (folder) => {
    const { path, content } = dataFile(folder, 1000);
    become();
    const target = join(folder, "target");
    await copyFile(path, target);
    assertBytes(fs.readFileSync(target), content);
    await copyFile(path, target, { preserve: true, durable: true });
    assertBytes(fs.readFileSync(target), content);
    assert.is(fs.statSync(target).uid, 65_534);
    assert.equal(fs.readdirSync(folder).length, 2);
  },
);

/** What refuses a target of a path, whatever else does: the folder, or the file. */
const closed: readonly (readonly [string, number, TransferOptions])[] = [
  ["folder", 0o755, {}],
  ["folder", 0o755, { strategy: "sendfile", fallback: false }],
  ["folder", 0o755, { atomic: true }],
  ["folder", 0o755, { durable: true, cache: "direct" }],
  ["sticky folder", 0o1777, { atomic: true }],
  ["file", 0o1777, {}],
];

for (const [what, mode, options] of closed)
  asNobody(`explain() and transfer() meet a closed ${what} alike: ${JSON.stringify(options)}`, async (folder) => {
    const { path } = dataFile(folder, 1000);
    const inner = join(folder, "inner");
    fs.mkdirSync(inner);
    fs.chmodSync(inner, mode);
    const target = join(inner, "target");
    if (what !== "folder") fs.writeFileSync(target, "old", { mode: 0o644 });
    become();
    const told = await failure(() => explain(path, target, options));
    const met = await failure(() => transfer(path, target, options));
    assert.is(told.code, what === "sticky folder" ? "EPERM" : "EACCES");
    assert.equal([met.code, met.bytesTransferred], [told.code, 0]);
    assert.is(fs.readdirSync(inner).length, what === "folder" ? 0 : 1);
  });

asNobody("explain() and transfer() know the folder that only this user may write", async (folder) => {
  const { path, content } = dataFile(folder, 1000);
  const own = join(folder, "own");
  fs.mkdirSync(own);
  fs.chownSync(own, 65_534, 65_534);
  fs.chmodSync(own, 0o300);
  become();
  const target = join(own, "target");
  const [first] = (await explain(path, target)).candidates;
  assert.is((await transfer(path, target)).attempts[0]?.strategy, first?.strategy);
  assertBytes(fs.readFileSync(target), content);
});

/** The two ways to replace a file. */
const ways: readonly (readonly [string, (from: string, to: string) => Promise<unknown>])[] = [
  ["copyFile()", (from, to) => copyFile(from, to)],
  ["transfer() with atomic", (from, to) => transfer(from, to, { atomic: true })],
];

/** Owner, group and mode before; owner and mode afterwards, when a user without privileges has replaced the file. */
const replaced: readonly (readonly [string, number, number, number, number])[] = [
  ["its own set-id bits go, as when it writes into the file", 65_534, 0, 0o6755, 0o755],
  ["another user's set-id bits go", 0, 0, 0o6755, 0o755],
  ["another user's mode stays where the group does", 0, 0, 0o640, 0o640],
  ["rights of a group that it is not in don't pass to its own", 65_534, 12_345, 0o664, 0o644],
  ["nor do they where others have none", 65_534, 12_345, 0o2670, 0o600],
];

for (const [name, replace] of ways) {
  for (const [what, uid, gid, mode, expected] of replaced)
    asNobody(`${name} by a user without privileges: ${what}`, async (folder) => {
      const { path, content } = dataFile(folder, 1000);
      const target = join(folder, "target");
      fs.writeFileSync(target, "old");
      fs.chownSync(target, uid, gid);
      fs.chmodSync(target, mode);
      become();
      await replace(path, target);
      const status = fs.statSync(target);
      assert.equal([status.uid, status.gid, (status.mode & 0o7777).toString(8)], [65_534, 0, expected.toString(8)]);
      process.seteuid?.(0);
      assertBytes(fs.readFileSync(target), content);
    });

  asNobody(`${name} refuses another user's file in a sticky folder before it copies`, async (folder) => {
    const { path } = dataFile(folder, 1000);
    const target = join(folder, "target");
    fs.writeFileSync(target, "old");
    fs.chmodSync(folder, 0o1777);
    become();
    const error = await failure(() => replace(path, target));
    assert.is(error.code, "EPERM");
    assert.is(error.bytesTransferred, 0);
    assert.is(fs.readFileSync(target, "utf8"), "old");
    assert.is(fs.readdirSync(folder).length, 2);
  });
}

test.run();
