/** One scenario played twice, by node:stream and by sluice/stream, and what can be seen of its streams. */
import * as fs from "node:fs";
import { Socket } from "node:net";
import process from "node:process";
import stream, { type Readable, type Writable } from "node:stream";
import streamPromises from "node:stream/promises";
import { createReadStream, pipe, pipeline, promises, report, type StreamReport, verify } from "sluice/stream";
import * as assert from "uvu/assert";
import { type Connection, connect } from "./connection.ts";

// Until what hand-overs rely on has been tried, every stream goes Node's way.
await verify();

/** Whose functions a scenario uses. */
export interface Way {
  readonly name: "node:stream" | "sluice/stream";
  readonly createReadStream: typeof createReadStream;
  readonly pipe: typeof pipe;
  readonly pipeline: typeof pipeline;
  readonly promises: typeof promises;
}

const plain: Way = {
  name: "node:stream",
  createReadStream: fs.createReadStream,
  pipe: (source, target, options) => source.pipe(target, options),
  pipeline: stream.pipeline,
  promises: streamPromises,
};

const sluice: Way = { name: "sluice/stream", createReadStream, pipe, pipeline, promises };

export const ways = { plain, sluice };

/** Plays a scenario by both and asserts that what it answers is alike; answers it. */
export async function assertAlike<T>(scenario: (way: Way) => Promise<T>): Promise<T> {
  const expected = await scenario(plain);
  const actual = await scenario(sluice);
  assert.equal(actual, expected);
  return actual;
}

/** Pause and resume, drain and data tell of how the bytes came, which is what differs. */
const told = new Set<string | symbol>([
  "open",
  "ready",
  "pipe",
  "unpipe",
  "end",
  "finish",
  "timeout",
  "error",
  "close",
]);

/** The names of the events that a stream emits from now on; of errors also the code. Adds no listener. */
export function eventsOf(emitter: Readable | Writable): string[] {
  const events: string[] = [];
  const { emit } = emitter;
  emitter.emit = (event: string | symbol, ...args: unknown[]) => {
    if (told.has(event)) events.push(event === "error" ? `error ${codeOf(args[0])}` : String(event));
    return emit.call(emitter, event, ...args);
  };
  return events;
}

export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error ? String(error.code) : error.name;
}

/** What a caller can tell from an error. */
export function factsOf(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { thrown: error };
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  return { name: error.name, message: error.message, code, errno, syscall };
}

const readableState = ["bytesRead", "readableEnded", "destroyed", "closed"] as const;
const writableState = ["bytesWritten", "writableEnded", "writableFinished", "destroyed", "closed"] as const;

function pick(from: object, names: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(names.map((name) => [name, Reflect.get(from, name)]));
}

export const stateOfSource = (source: Readable): Readonly<Record<string, unknown>> => pick(source, readableState);
export const stateOfTarget = (target: Writable): Readonly<Record<string, unknown>> => pick(target, writableState);

/** Resolves when the stream has closed and told so, which it may have done already. */
export function closed(emitter: Readable | Writable): Promise<void> {
  // A socket is `closed` when it is destroyed, and says so when its handle has been closed, in the same turn.
  if (emitter.closed) return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  return new Promise((resolve) => emitter.once("close", () => resolve()));
}

/** Asserts that bytes went past JavaScript in the scenario that is played by sluice/stream, and not otherwise. */
export function assertTaken({ name }: Way, source: Readable, bytes?: number): void {
  const taken = report(source);
  if (name === "node:stream") return assert.is(taken, undefined);
  // Bun keeps all streams, and Deno sockets as sources, so there a scenario shows that nothing breaks.
  if (process.versions["bun"] !== undefined) return assert.match(taken?.reason ?? "Bun's sockets", /^Bun's /);
  if (process.versions["deno"] !== undefined && source instanceof Socket)
    return assert.match(taken?.reason ?? "undecided", /^Deno /);
  assert.ok(taken?.native, `not taken over: ${taken?.reason ?? "undecided"}`);
  if (bytes !== undefined) assert.is(taken.bytes, bytes, taken.reason);
}

/** Asserts that no byte went past JavaScript, and for what reason. */
export function assertLeft({ name }: Way, source: Readable, reason: RegExp): void {
  const left: StreamReport | undefined = report(source);
  if (name === "node:stream") return assert.is(left, undefined);
  assert.is(left?.native, false, left?.reason);
  if (process.versions["bun"] !== undefined) return;
  assert.match(left?.reason ?? "undecided", reason);
}

/** Lets a scenario use a connection, which is gone when it has ended. */
export async function withConnection<T>(use: (link: Connection) => Promise<T>): Promise<T> {
  using link = await connect();
  return await use(link);
}

/** Reads at least `length` bytes and leaves the stream paused. */
export async function take(from: Readable, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let missing = length;
  await new Promise<void>((resolve, reject) => {
    const early = () => reject(new Error(`The stream ended ${missing} bytes early`));
    const read = () => {
      for (let chunk; missing > 0 && (chunk = from.read() as Buffer | null) !== null; missing -= chunk.length)
        chunks.push(chunk);
      if (missing > 0) return;
      from.off("readable", read).off("end", early);
      resolve();
    };
    from.on("readable", read).on("end", early);
    read();
  });
  return Buffer.concat(chunks);
}
