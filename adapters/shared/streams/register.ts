/**
 * The preload. Methods of one prototype are replaced, so that streams made by whichever copy of whichever import of
 * node:fs are reached, and nothing else of the process changes.
 */
import { ReadStream } from "node:fs";
import { Readable } from "node:stream";
import type { Runtime } from "../runtime.ts";
import { fileRead, notePipe } from "./hook.ts";
import { fileMethods, isSwitchedOff, surroundingsOf } from "./streams.ts";

type PipeOptions = Parameters<Readable["pipe"]>[1];

export function register(runtime: Runtime): void {
  if (isSwitchedOff(runtime)) return;
  const { prototype } = ReadStream;
  prototype._read = fileRead(fileMethods, surroundingsOf(runtime));
  prototype.pipe = function pipe<T extends NodeJS.WritableStream>(
    this: ReadStream,
    target: T,
    options?: PipeOptions,
  ): T {
    notePipe(this, target);
    return Readable.prototype.pipe.call(this, target, options) as T;
  };
}
