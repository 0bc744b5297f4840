/** What another user may not do. Needs root, which can become another user and come back. */
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { copyFile, transfer } from "sluice";
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

test.run();
