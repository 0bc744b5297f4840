/** node:stream's and node:fs' own functions, for streams whose bytes need not pass JavaScript. */
import { createReadStream, ReadStream } from "node:fs";
import { Socket } from "node:net";
import stream, { type Readable, type Writable } from "node:stream";
import streamPromises from "node:stream/promises";
import { promisify } from "node:util";
import type { Runtime } from "../runtime.ts";
import { fileRead, notePipe, socketRead, type Surroundings } from "./hook.ts";
import type { FileMethods } from "./quick-close.ts";

export interface Streams {
  createReadStream: typeof createReadStream;
  pipe<T extends Writable>(source: Readable, target: T, options?: { end?: boolean | undefined }): T;
  pipeline: typeof stream.pipeline;
  promises: typeof streamPromises;
}

export const isSwitchedOff = (runtime: Runtime): boolean => runtime.env("SLUICE_DISABLE") === "1";

export function surroundingsOf(runtime: Runtime): Surroundings {
  return {
    runtime,
    debug: runtime.env("SLUICE_DEBUG") === "1",
    disabled: isSwitchedOff(runtime) ? "switched off by SLUICE_DISABLE=1" : runtime.keepsStreams,
  };
}

/** Node's own, as they were when this was loaded. */
const { _read, _destroy } = ReadStream.prototype;
export const fileMethods: FileMethods = { _read, _destroy };
export const readSocket: Socket["_read"] = Socket.prototype._read;

export function createStreams(runtime: Runtime): Streams {
  const surroundings = surroundingsOf(runtime);
  const file = fileRead(fileMethods, surroundings);
  const socket = socketRead(readSocket, surroundings);

  /** Gives a stream the hook, unless it has an `_read` of its own, or the preload's. */
  function arm(source: unknown): void {
    if (source instanceof ReadStream && source._read === fileMethods._read) source._read = file;
    else if (source instanceof Socket && source._read === readSocket) source._read = socket;
  }

  const first = (streams: readonly unknown[]): unknown => (Array.isArray(streams[0]) ? streams[0][0] : streams[0]);

  const armed = <F extends (...streams: never[]) => unknown>(original: F): F =>
    ((...streams: Parameters<F>) => {
      arm(first(streams));
      return original(...streams);
    }) as F;

  const promises = { ...streamPromises, pipeline: armed(streamPromises.pipeline) };
  const pipeline = armed(stream.pipeline);
  Object.defineProperty(pipeline, promisify.custom, { value: promises.pipeline });
  return {
    createReadStream: (path, options) => {
      const source = createReadStream(path, options);
      arm(source);
      return source;
    },
    pipe: (source, target, options) => {
      arm(source);
      notePipe(source, target);
      return source.pipe(target, options);
    },
    pipeline,
    promises,
  };
}
