/** No thread to be had (RLIMIT_NPROC): the portable path with the reason, and the engine again when there is room. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "../support/data.ts";
import { unmet } from "../support/needs.ts";
import { skipLine } from "../support/protocol.ts";
import { tempFolder } from "../support/temp.ts";

/** A child that stays would keep this process. */
const ends: (() => void)[] = [];
const after = (end: () => void): void => void ends.push(end);

interface Told {
  readonly bytes: number;
  readonly strategy: string;
  readonly first: string;
}

const name = "a user without threads left is served by the portable path, and by the engine when there is room again";
const missing = await unmet(["engine", "root", "prlimit"]);
if (missing !== undefined) {
  test.skip(name);
  console.log(skipLine(name, missing));
} else {
  test(name, async () => {
    const folder = tempFolder();
    chmodSync(folder, 0o777);
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    const content = randomBytes(1_000_000);
    writeFileSync(from, content);
    writeFileSync(to, "");
    chmodSync(to, 0o666);
    const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const script = fileURLToPath(new URL("support/without-threads.js", import.meta.url));
    const child = spawn(process.execPath, [script, from, to, String(port)], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = once(child, "exit");
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<string> => String((await lines.next()).value);
    const told = async (): Promise<[unknown, Told, Told]> => {
      child.stdin.write("\n");
      return JSON.parse(await next()) as [unknown, Told, Told];
    };
    const allow = (threads: string) =>
      execFileSync("prlimit", ["--pid", String(child.pid), `--nproc=${threads}:`], { uid: 61_236 });
    after(() => child.kill());
    assert.is(await next(), "ready");

    allow("1");
    const [forced, ...without] = await told();
    assert.equal(forced, ["EAGAIN", "pthread_create"]);
    for (const report of without) {
      assert.is(report.strategy, "portable");
      assert.is(report.bytes, content.length);
      assert.match(report.first, /no thread can be started/);
    }
    assert.ok(readFileSync(to).equals(content));

    allow("1000");
    const [again, ...having] = await told();
    assert.is(again, "buffered");
    for (const report of having) {
      assert.is.not(report.strategy, "portable");
      assert.is(report.bytes, content.length);
    }
    child.stdin.end();
    await ended;
    server.close();
  });
}

test.after(() => ends.forEach((end) => end()));
test.run();
