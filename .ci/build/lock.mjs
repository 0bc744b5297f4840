// One build at a time in a clone. The lock is a listening socket: it goes with its process, however that ends.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./files.mjs";

const name = `sluice-build-${createHash("sha256").update(root).digest("hex").slice(0, 16)}`;
/** Linux has names of sockets without a file (unix(7)). Elsewhere a file may outlive its process. */
const isAbstract = process.platform === "linux";
const address = isAbstract ? `\0${name}` : join(tmpdir(), name);

const waiting = new Set();

/** Listens at the lock. Undefined where another process does. */
async function take() {
  const server = createServer((socket) => waiting.add(socket.on("error", () => {}).resume()));
  server.listen(address);
  try {
    await once(server, "listening");
    return server;
  } catch (error) {
    if (error.code !== "EADDRINUSE") throw error;
    return undefined;
  }
}

/** Waits for the process that has the lock to close it. */
async function wait() {
  const socket = connect(address);
  let refused = false;
  socket.on("error", ({ code }) => (refused = code === "ECONNREFUSED")).resume();
  await new Promise((resolve) => socket.on("close", resolve));
  if (refused && !isAbstract) rmSync(address, { force: true });
}

/** Does `work` while no other process does. */
export async function exclusively(work) {
  let lock;
  while ((lock = await take()) === undefined) await wait();
  try {
    return await work();
  } finally {
    lock.close();
    for (const socket of waiting) socket.destroy();
    waiting.clear();
  }
}
