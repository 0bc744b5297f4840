/**
 * The preload. One method of one prototype is replaced, so that streams made by whichever copy of whichever import of
 * node:fs are reached, and nothing else of the process changes.
 */
import { ReadStream } from "node:fs";
import type { Runtime } from "../runtime.ts";
import { fileRead } from "./hook.ts";
import { fileMethods, isSwitchedOff, surroundingsOf } from "./streams.ts";

export function register(runtime: Runtime): void {
  if (isSwitchedOff(runtime)) return;
  ReadStream.prototype._read = fileRead(fileMethods, surroundingsOf(runtime));
}
