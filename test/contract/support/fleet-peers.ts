/**
 * Clients and upstreams that check every byte, in a process of their own: `SEED`. It prints the port of its upstream; a line
 * of its input, `PORT FROM COUNT`, makes that many clients connect there, and a line of output tells what became of all.
 */
import { readSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import process from "node:process";
import { limiter } from "../../support/limiter.ts";
import { addressOf, type Batch, contentOf, type Plan, planOf, type Record } from "./fleet-plan.ts";

const hangMs = 20_000;
const seed = Number(process.argv[2]);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Compares what comes with what its sender has, which it says first. */
function checker(record: Mutable<Record>): (chunk: Buffer) => void {
  let head = Buffer.alloc(0);
  let expected: Buffer | undefined;
  return (chunk) => {
    const at = record.got;
    record.got += chunk.length;
    if (record.wrong !== undefined) return;
    if (expected === undefined) {
      head = Buffer.concat([head, chunk]);
      if (head.length < 4) return;
      record.from = head.readUInt32BE(0);
      expected = contentOf(record.from, 1_600_000);
      if (!expected.subarray(0, head.length).equals(head)) record.wrong = `among the first ${head.length}`;
    } else if (!expected.subarray(at, record.got).equals(chunk)) record.wrong = `from ${at} to ${record.got}`;
  };
}

/** libuv calls some resets ended: read(2) tells them apart. */
function wasReset(socket: Socket): boolean {
  const { fd } = (socket as Socket & { readonly _handle: { readonly fd: number } })._handle;
  try {
    return readSync(fd, Buffer.alloc(1)) !== 0;
  } catch {
    return true;
  }
}

/** Plays one peer; resolves when its socket is closed. */
function play(socket: Socket, id: number, plan: Plan): Promise<Record> {
  const record: Mutable<Record> = {
    id,
    port: socket.remotePort ?? 0,
    got: 0,
    from: undefined,
    wrong: undefined,
    end: "none",
    didReset: false,
  };
  const check = checker(record);
  socket.on("data", (chunk: Buffer) => {
    check(chunk);
    if (!plan.isSlow || record.got % 5 !== 0) return;
    socket.pause();
    setTimeout(() => socket.resume(), record.got % 11);
  });
  socket.on("end", () => (record.end = wasReset(socket) ? "reset" : "end"));
  socket.on("error", () => {
    if (!record.didReset && record.end === "none") record.end = "reset";
  });
  const content = contentOf(id, plan.total);
  if (plan.resetAfterMs === undefined) socket.end(content);
  else {
    socket.write(content);
    const reset = () => {
      if (socket.destroyed) return;
      record.didReset = true;
      socket.resetAndDestroy();
    };
    if (plan.resetAfterMs === 0) reset();
    else setTimeout(reset, plan.resetAfterMs);
  }
  return new Promise((resolve) => {
    const hung = setTimeout(() => {
      record.end = "hung";
      socket.destroy();
    }, hangMs);
    socket.on("close", () => {
      clearTimeout(hung);
      resolve(record);
    });
  });
}

let upstreams: Promise<Record>[] = [];
let accepted = 0;
const server = createServer({ allowHalfOpen: true }, (socket) => {
  const id = accepted++;
  upstreams.push(play(socket, id, planOf(seed, "upstream", id)));
});

function client(port: number, id: number): Promise<Record> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress: addressOf(id), allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(play(socket, id, planOf(seed, "client", id)));
    });
  });
}

async function run(port: number, from: number, count: number): Promise<Batch> {
  const limit = limiter(24);
  const clients = await Promise.all(Array.from({ length: count }, (_, i) => limit(() => client(port, from + i))));
  const met: Record[] = [];
  // What a client left behind may still be connecting.
  for (let quiet = 0; quiet < 5; quiet++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (upstreams.length > 0) quiet = 0;
    const some = upstreams;
    upstreams = [];
    met.push(...(await Promise.all(some)));
  }
  return { clients, upstreams: met };
}

server.listen(0, "127.0.0.1", 1024, () => console.log((server.address() as AddressInfo).port));
const lines = createInterface({ input: process.stdin });
for await (const line of lines) {
  const [port = 0, from = 0, count = 0] = line.split(" ").map(Number);
  console.log(JSON.stringify(await run(port, from, count)));
}
process.exit(0);
