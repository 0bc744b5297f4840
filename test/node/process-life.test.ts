/** CASES.md E 71: when the process stays, when it goes, and that it goes cleanly. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readExactly } from "../contract/support/connection.ts";
import { dataFile, MiB } from "../contract/support/files.ts";
import { runChild } from "../support/child.ts";
import { digest } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("process life");

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const node = (...args: string[]) => runChild([process.execPath, ...args], 20_000);

test("an import that is not used lets the process exit at once", async () => {
  const { code, timedOut, output } = await node(here("support/idle.js"), "import");
  assert.is(timedOut, false);
  assert.is(code, 0);
  assert.is(output, "");
});

test("a transfer that is over lets the process exit", async () => {
  for (const use of ["capabilities", "file", "socket"]) {
    const { code, timedOut, output } = await node(here("support/idle.js"), use);
    assert.is(timedOut, false, use);
    assert.is(code, 0, output);
    assert.is(output, "");
  }
});

/** A server whose connections are paused, and the child that sends to it. */
async function sender(path: string, count: number) {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets: Socket[] = [];
  const all = new Promise<void>((resolve) => {
    server.on("connection", (socket) => {
      socket.on("error", () => undefined);
      if (sockets.push(socket) === count) resolve();
    });
  });
  const { port } = server.address() as AddressInfo;
  const child = spawn(process.execPath, [here("support/send.js"), path, String(port), String(count)]);
  let output = "";
  child.stdout.on("data", (text: Buffer) => (output += text.toString()));
  let errors = "";
  child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  await all;
  server.close();
  return { child, sockets, exit: once(child, "close"), output: () => output, errors: () => errors };
}

test("a pending transfer keeps the process alive until it is through", async () => {
  const { path } = dataFile(tempFolder(), 48 * MiB);
  const { child, sockets, exit, output } = await sender(path, 1);
  const [socket] = sockets;
  if (socket === undefined) throw new Error("There is no connection");
  await readExactly(socket, 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.is(child.exitCode, null, "it is still there although nothing happens");
  const rest = digest(socket);
  assert.equal(await exit, [0, null]);
  assert.is((await rest).bytes, 48 * MiB - 1);
  assert.match(output(), `[${48 * MiB}]`);
});

for (const signal of ["SIGTERM", "SIGINT", "SIGKILL"] as const) {
  test(`${signal} ends a process in the middle of 20 transfers`, async () => {
    const { path } = dataFile(tempFolder(), 48 * MiB);
    const { child, sockets, exit, errors } = await sender(path, 20);
    await Promise.all(sockets.map((socket) => readExactly(socket, 1000)));
    child.kill(signal);
    assert.equal(await exit, [null, signal]);
    assert.is(errors(), "");
    for (const socket of sockets) socket.destroy();
  });
}

for (const end of ["exit", "uncaught", "abort-all"]) {
  test(`a process that ends itself by ${end} during transfers ends as it should`, async () => {
    const { path } = dataFile(tempFolder(), 48 * MiB);
    const { code, signal, timedOut, output } = await node(here("support/end-during.js"), end, path);
    assert.is(timedOut, false);
    assert.is(signal, undefined, output);
    assert.is(code, { exit: 7, uncaught: 1, "abort-all": 0 }[end], output);
  });
}

test.run();
