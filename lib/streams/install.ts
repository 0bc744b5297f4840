/** The hooks of a runtime: those for everybody's streams, and those under trial. */
import { ReadStream } from "node:fs";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Runtime } from "../runtime.ts";
import { debugLog, switchedOff } from "../support/environment.ts";
import { Checks } from "./trials/checks.ts";
import { fileRead } from "./hooks/file-hook.ts";
import type { FileMethods } from "./feeds/quick-close.ts";
import { followMessages, type Least } from "./hooks/message-hook.ts";
import { socketRead } from "./hooks/socket-hook.ts";
import type { Surroundings } from "./hooks/surroundings.ts";
import type { Hooks } from "./trials/trials.ts";

/** Node's own, as they were when this was loaded. */
const { _read, _destroy } = ReadStream.prototype;
export const fileMethods: FileMethods = { _read, _destroy };
export const readSocket: Socket["_read"] = Socket.prototype._read;

export const readMessage: IncomingMessage["_read"] = IncomingMessage.prototype._read;

function hooksIn(surroundings: Surroundings, least?: Least): Hooks {
  return {
    file: fileRead(fileMethods, surroundings),
    socket: socketRead(readSocket, surroundings),
    message: followMessages(readMessage, surroundings, least),
  };
}

/** Of a trial's body less is left when it is handed over. */
const trialLeast: Least = () => 100_000;

interface Installed extends Hooks {
  readonly checks: Checks;
}

function install(runtime: Runtime): Installed {
  const disabled = switchedOff(runtime) ?? runtime.unsupported.streams;
  const trial = hooksIn({ runtime, debug: undefined, disabled: undefined, checks: undefined }, trialLeast);
  const checks = new Checks(runtime, trial, disabled !== undefined);
  // Early enough for a server's first request. A Worker may be terminated at any moment, and Node then aborts where koffi is loading.
  if (disabled === undefined && !runtime.isWorker()) setImmediate(() => void checks.run()).unref();
  return { ...hooksIn({ runtime, debug: debugLog(runtime), disabled, checks }), checks };
}

const installed = new WeakMap<Runtime, Installed>();

/** One set for an isolate, whichever entry asks first. */
export function hooksOf(runtime: Runtime): Installed {
  let hooks = installed.get(runtime);
  if (hooks === undefined) installed.set(runtime, (hooks = install(runtime)));
  return hooks;
}
