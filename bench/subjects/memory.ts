/** Sends memory, size after size, and tells what each took. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, write } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { acceptOne, acknowledgement } from "./sending.ts";

/** `write` is the runtime's own way: socket.write(), fs.write(). */
export type MemoryMethod = "write" | "auto" | "reference";

export interface Stage {
  readonly bytes: number;
  readonly count: number;
}

export interface MemoryInput {
  readonly method: MemoryMethod;
  readonly stages: readonly Stage[];
  /** What comes first, and is not timed. */
  readonly warmup: Stage;
  /** Where it goes: a TCP connection that is to be accepted, or a pipe to a helper that drains it. */
  readonly target: "socket" | { readonly drain: string; readonly how: "read" | "splice"; readonly folder: string };
}

export interface StageOutput {
  readonly wallNs: number;
  readonly cpuNs: number;
  /** What the last report said; undefined for the runtime's own way. */
  readonly copied: string | undefined;
}

type SendBytes = (bytes: Uint8Array) => Promise<string | undefined>;

const writeAsync = promisify(write);

async function socketEnd(method: MemoryMethod, announce: (port: number) => void) {
  const socket = await acceptOne(announce, "0.0.0.0");
  const { transfer } = await import("sluice");
  const send: SendBytes = async (bytes) => {
    const acknowledged = acknowledgement(socket);
    let copied: string | undefined;
    if (method === "write") socket.write(bytes);
    else ({ copied } = await transfer(bytes, socket, { strategy: method === "reference" ? "sendZeroCopy" : "auto" }));
    await acknowledged;
    return copied;
  };
  return { send, close: () => void socket.destroy() };
}

async function pipeEnd({ method, warmup, stages, target }: MemoryInput) {
  if (target === "socket") throw new TypeError("A socket is no pipe");
  const path = join(target.folder, `fifo-${process.pid}`);
  execFileSync("mkfifo", [path]);
  const both = openSync(path, constants.O_RDWR);
  const reader = openSync(path, constants.O_RDONLY);
  // The engine never waits in a write; node:fs does, in its pool, and needs a description that lets it.
  const writer = openSync(path, constants.O_WRONLY | (method === "write" ? 0 : constants.O_NONBLOCK));
  closeSync(both);
  const list = [warmup, ...stages].map(({ bytes, count }) => `${bytes}:${count}`);
  const drain = spawn(target.drain, ["drain", target.how, ...list], { stdio: [reader, "pipe", "inherit"] });
  closeSync(reader);
  const { stdout } = drain;
  if (stdout === null) throw new Error("The drain has no output");
  const { transfer } = await import("sluice");
  const send: SendBytes = async (bytes) => {
    const acknowledged = once(stdout, "data");
    let copied: string | undefined;
    if (method === "write") {
      for (let at = 0; at < bytes.length;) at += (await writeAsync(writer, bytes, at)).bytesWritten;
    } else ({ copied } = await transfer(bytes, writer, { strategy: method === "reference" ? "vmsplice" : "auto" }));
    await acknowledged;
    return copied;
  };
  return { send, close: () => closeSync(writer) };
}

async function stage(send: SendBytes, { bytes, count }: Stage): Promise<StageOutput> {
  const memory = new Uint8Array(bytes).fill(1);
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  let copied: string | undefined;
  for (let each = 0; each < count; each++) copied = await send(memory);
  const wallNs = Number(process.hrtime.bigint() - start);
  const { user, system } = process.cpuUsage(cpu);
  return { wallNs, cpuNs: (user + system) * 1000, copied };
}

export async function sendMemory(input: MemoryInput, announce: (port: number) => void): Promise<StageOutput[]> {
  const { send, close } = input.target === "socket" ? await socketEnd(input.method, announce) : await pipeEnd(input);
  const outputs: StageOutput[] = [];
  await stage(send, input.warmup);
  for (const each of input.stages) outputs.push(await stage(send, each));
  close();
  return outputs;
}
