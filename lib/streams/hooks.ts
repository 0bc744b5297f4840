/** The hooks of a runtime: those for everybody's streams, and those under trial. */
import { ReadStream } from "node:fs";
import { Socket } from "node:net";
import type { Runtime } from "../runtime.ts";
import { Checks } from "./checks.ts";
import { fileRead } from "./hook.ts";
import type { FileMethods } from "./quick-close.ts";
import { socketRead } from "./socket-hook.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Hooks } from "./trials.ts";

/** Node's own, as they were when this was loaded. */
const { _read, _destroy } = ReadStream.prototype;
export const fileMethods: FileMethods = { _read, _destroy };
export const readSocket: Socket["_read"] = Socket.prototype._read;

export const isSwitchedOff = (runtime: Runtime): boolean => runtime.env("SLUICE_DISABLE") === "1";

function hooksIn(surroundings: Surroundings): Hooks {
  return { file: fileRead(fileMethods, surroundings), socket: socketRead(readSocket, surroundings) };
}

interface Installed extends Hooks {
  readonly checks: Checks;
}

function install(runtime: Runtime): Installed {
  const disabled = isSwitchedOff(runtime) ? "switched off by SLUICE_DISABLE=1" : runtime.keepsStreams;
  const trial = hooksIn({ runtime, debug: false, disabled: undefined, checks: undefined });
  const checks = new Checks(runtime, trial, disabled !== undefined);
  // Early enough for a server's first request. A Worker may be terminated at any moment, and Node then aborts where koffi is loading.
  if (disabled === undefined && !runtime.isWorker()) setImmediate(() => void checks.run()).unref();
  return { ...hooksIn({ runtime, debug: runtime.env("SLUICE_DEBUG") === "1", disabled, checks }), checks };
}

const installed = new WeakMap<Runtime, Installed>();

/** One set for an isolate, whichever entry asks first. */
export function hooksOf(runtime: Runtime): Installed {
  let hooks = installed.get(runtime);
  if (hooks === undefined) installed.set(runtime, (hooks = install(runtime)));
  return hooks;
}
