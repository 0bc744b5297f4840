/**
 * `sluice/stream`: node:stream's own functions, by which bytes go past JavaScript where both ends allow it.
 *
 * Files to HTTP responses (node:http without TLS), sockets and files; sockets to files and sockets, from the first
 * read of 16 KiB or more on; the bodies of HTTP messages to responses, sockets and files, with 1 MiB or more to come. Signatures, events, options and errors are Node's own, since all of them come from Node's own code;
 * any other pair of streams goes Node's own way altogether.
 */
import fs, { ReadStream } from "node:fs";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import stream, { Readable, Stream, Writable } from "node:stream";
import streamPromises from "node:stream/promises";
import { promisify } from "node:util";
import { currentRuntime } from "../current.ts";
import type { StreamCheck } from "../streams/trials/checks.ts";
import { fileMethods, hooksOf, readSocket } from "../streams/install.ts";
import { notePipe } from "../streams/hooks/pipes.ts";

export type { StreamCheck } from "../streams/trials/checks.ts";
export { report } from "../streams/report.ts";
export type { StreamMessage, StreamReport } from "../streams/report.ts";
export { prometheus } from "../streams/prometheus.ts";
export { stats } from "../streams/stats.ts";
export type { EngineStats, Stats } from "../streams/stats.ts";
export type { StreamTotal } from "../streams/totals.ts";

/** Gives a stream the hook, unless it has an `_read` of its own, or the preload's. */
function arm(source: unknown, target: unknown): void {
  const { file, socket, message } = hooksOf(currentRuntime());
  if (source instanceof IncomingMessage && target instanceof Stream) message(source, target as Writable);
  else if (source instanceof ReadStream && source._read === fileMethods._read) source._read = file;
  else if (source instanceof Socket && source._read === readSocket) source._read = socket;
}

/** Of what `pipeline` is called with: its streams, or one array of them. */
function armFirst([first, ...others]: readonly unknown[]): void {
  const [source, target] = Array.isArray(first) ? (first as readonly unknown[]) : [first, ...others];
  arm(source, target);
  if (source instanceof Readable && target instanceof Writable) notePipe(source, target);
}

const armed = <F extends (...streams: never[]) => unknown>(original: F): F =>
  ((...streams: Parameters<F>) => {
    armFirst(streams);
    return original(...streams);
  }) as F;

/** `fs.createReadStream`. */
export const createReadStream: typeof fs.createReadStream = (path, options) => {
  const source = fs.createReadStream(path, options);
  arm(source, undefined);
  return source;
};

/** `source.pipe(target, options)`. */
export function pipe<T extends Writable>(source: Readable, target: T, options?: { end?: boolean | undefined }): T {
  arm(source, target);
  notePipe(source, target);
  return source.pipe(target, options);
}

/** `stream.promises`. */
export const promises: typeof streamPromises = { ...streamPromises, pipeline: armed(streamPromises.pipeline) };

/** `stream.pipeline`; `util.promisify` gives the form that returns a promise, as does `promises.pipeline`. */
export const pipeline: typeof stream.pipeline = armed(stream.pipeline);
Object.defineProperty(pipeline, promisify.custom, { value: promises.pipeline });

/**
 * Resolves when what hand-overs rely on in this runtime, beyond what it documents, has been tried: a hand-over of each kind on
 * a connection to itself, once an isolate. That begins by itself when this is loaded (in a Worker with its first stream), and
 * streams go Node's own way until it is done; so do those of a kind whose trial fails, with a warning and that reason.
 *
 * @returns what was found, a kind at a time; nothing where there is no engine
 */
export async function verify(): Promise<readonly StreamCheck[]> {
  const { checks } = hooksOf(currentRuntime());
  // The trials alone keep no process alive, but who waits for them does.
  const waiting = setInterval(() => {}, 60_000);
  await checks.run();
  clearInterval(waiting);
  return checks.found;
}
