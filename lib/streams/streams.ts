/** node:stream's and node:fs' own functions, for streams whose bytes need not pass JavaScript. */
import { createReadStream, ReadStream } from "node:fs";
import { Socket } from "node:net";
import stream, { Readable, Writable } from "node:stream";
import streamPromises from "node:stream/promises";
import { promisify } from "node:util";
import type { Runtime } from "../runtime.ts";
import type { StreamCheck } from "./checks.ts";
import { fileMethods, hooksOf, readSocket } from "./hooks.ts";
import { notePipe } from "./pipes.ts";

export interface Streams {
  createReadStream: typeof createReadStream;
  pipe<T extends Writable>(source: Readable, target: T, options?: { end?: boolean | undefined }): T;
  pipeline: typeof stream.pipeline;
  promises: typeof streamPromises;
  verify(): Promise<readonly StreamCheck[]>;
}

export function createStreams(runtime: Runtime): Streams {
  const { file, socket, checks } = hooksOf(runtime);

  /** Gives a stream the hook, unless it has an `_read` of its own, or the preload's. */
  function arm(source: unknown): void {
    if (source instanceof ReadStream && source._read === fileMethods._read) source._read = file;
    else if (source instanceof Socket && source._read === readSocket) source._read = socket;
  }

  /** Of what `pipeline` is called with: its streams, or one array of them. */
  function armFirst([first, ...others]: readonly unknown[]): void {
    const [source, target] = Array.isArray(first) ? (first as readonly unknown[]) : [first, ...others];
    arm(source);
    if (source instanceof Readable && target instanceof Writable) notePipe(source, target);
  }

  const armed = <F extends (...streams: never[]) => unknown>(original: F): F =>
    ((...streams: Parameters<F>) => {
      armFirst(streams);
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
    verify: async () => {
      // The trials alone keep no process alive, but whoever waits for them does.
      const waiting = setInterval(() => {}, 60_000);
      await checks.run();
      clearInterval(waiting);
      return checks.found;
    },
  };
}
