/** Makes rings and pipes, and opens rings that others have made. */
import { closeSync, constants, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { errnoName } from "../../core/abi/errno.ts";
import { argumentError, shown, TransferError, withPathsIn } from "../../core/error.ts";
import { checkKnown } from "../../core/options.ts";
import { checkPipeBytes, checkRingOptions, ringErrnoText, ringOptions, type RingOptions } from "../../core/ring.ts";
import type { HasFd } from "../api.ts";
import type { Engine } from "../engine/engine.ts";
import { checkFd } from "../ends/recognise.ts";
import type { Machine } from "../engine/machine.ts";
import { callFailed, explained } from "../support/system-error.ts";
import { openPipe, RingSide } from "./ring-side.ts";
import { SharedRing } from "./shared-ring.ts";

function engineOf({ engine, native }: Machine, what: string): Engine {
  if (engine !== undefined) return engine;
  throw new TransferError(`Cannot ${what}: ${String(native)}`, { code: "ERR_SLUICE_UNSUPPORTED" });
}

function admit(machine: Machine, engine: Engine, handle: number, what: string, syscall: string): SharedRing {
  const code = errnoName(-handle);
  if (handle < 0) throw callFailed(what, syscall, code, undefined, ringErrnoText(code));
  return new SharedRing(machine.runtime, new RingSide(engine, handle));
}

export function createRing(machine: Machine, options: RingOptions = {}): SharedRing {
  checkKnown(options, ringOptions);
  const { bytes, attachMs } = checkRingOptions(options);
  const engine = engineOf(machine, "make a ring");
  return admit(machine, engine, engine.createRing(bytes, attachMs), "make a ring", "memfd_create");
}

export function openRing(machine: Machine, ring: string | URL | number | HasFd): SharedRing {
  const engine = engineOf(machine, "open a ring");
  const from = typeof ring === "object" && ring !== null && "fd" in ring ? ring.fd : ring;
  if (typeof from === "number") {
    checkFd(from);
    return admit(machine, engine, engine.openRing(from), `open the ring of fd ${from}`, "memfd");
  }
  if (typeof from !== "string" && !(from instanceof URL))
    throw argumentError("ERR_INVALID_ARG_TYPE", `ring must be a path, URL or file descriptor, got ${shown(ring)}`);
  const path = from instanceof URL ? fileURLToPath(from) : from;
  return withPathsIn({ path }, () => openRingAt(machine, engine, path));
}

function openRingAt(machine: Machine, engine: Engine, path: string): SharedRing {
  let fd: number;
  try {
    // O_NONBLOCK: a FIFO is there at once, to be refused.
    fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw explained(error, `open the ring ${path}`, "open");
  }
  try {
    return admit(machine, engine, engine.openRing(fd), `open the ring ${path}`, "memfd");
  } finally {
    closeSync(fd);
  }
}

/** One end of a pipe. */
export interface PipeEnd extends Disposable {
  readonly fd: number;
  /** What other processes of the same user open it by, as long as it is open here (proc(5)). */
  readonly path: string;
  /** The second time does nothing. */
  close(): void;
}

/** A pipe for two processes: see `createPipe`. */
export interface Pipe extends Disposable {
  readonly reader: PipeEnd;
  readonly writer: PipeEnd;
  /** What it holds before a writer has to wait. */
  readonly bytes: number;
  /** Closes both ends. */
  close(): void;
}

function pipeEnd({ native }: Engine, fd: number): PipeEnd {
  let isOpen = true;
  const close = () => {
    if (isOpen) native.sluice_close(fd);
    isOpen = false;
  };
  return { fd, path: `/proc/${process.pid}/fd/${fd}`, close, [Symbol.dispose]: close };
}

export function createPipe(machine: Machine, options: { readonly bytes?: number | undefined } = {}): Pipe {
  checkKnown(options, { bytes: true });
  const bytes = checkPipeBytes(options.bytes);
  const engine = engineOf(machine, "make a pipe");
  const made = openPipe(engine.native, bytes);
  if (typeof made === "number") throw callFailed("make a pipe", "pipe2", errnoName(-made));
  const reader = pipeEnd(engine, made.reader);
  const writer = pipeEnd(engine, made.writer);
  const close = () => {
    reader.close();
    writer.close();
  };
  return { reader, writer, bytes: made.bytes, close, [Symbol.dispose]: close };
}
