/** Binds the native library with Deno.dlopen, and is woken by a socket. */
import { openSync, statSync } from "node:fs";
import { Socket } from "node:net";
import type { AbiType } from "../../core/abi/functions/define.ts";
import { mapSymbols, type Native } from "../../core/abi/abi.ts";
import { openContext } from "../../lib/engine/context.ts";
import { Unavailable } from "../../lib/engine/load-failure.ts";
import type { Waker } from "../../lib/runtime.ts";
import { isGranted, seesDescriptors } from "./permissions.ts";

const ffiType = { i32: "i32", u32: "u32", buffer: "buffer" } as const satisfies Record<AbiType, Deno.NativeType>;

const definitions = mapSymbols((args) => ({ parameters: args.map((type) => ffiType[type]), result: "i32" as const }));

let library: Native | undefined;

/** The library that has been bound. */
export const boundLibrary = (): Native | undefined => library;

export function bind(path: string): Native {
  if (!isGranted({ name: "ffi", path })) throw new Unavailable(`Deno was started without --allow-ffi for ${path}`);
  // As on the other runtimes, where it may be looked at: opening a FIFO would wait for ever.
  if (isGranted({ name: "read", path }) && !statSync(path).isFile()) throw new Error("not a regular file");
  library = Deno.dlopen(path, definitions).symbols;
  return library;
}

/**
 * Deno leaves the wake-up socket open when a Worker is terminated, but it does close files of node:fs. So
 * one of those holds the context's lifeline, where reading /proc is allowed; elsewhere the jobs of a terminated
 * Worker end with their peers.
 */
function holdLifeline(native: Native, context: number): void {
  const fd = native.sluice_context_lifeline(context);
  if (fd < 0) throw new Error(`sluice_context_lifeline: ${fd}`);
  try {
    openSync(`/proc/self/fd/${fd}`, "r");
  } finally {
    native.sluice_close(fd);
  }
}

export function view(address: bigint, length: number): ArrayBuffer {
  const pointer = Deno.UnsafePointer.create(address);
  if (pointer === null) throw new TypeError("There is nothing at address 0");
  return Deno.UnsafePointerView.getArrayBuffer(pointer, length);
}

/** A socket that Deno reads: 28 µs to the event loop, where a thread-safe callback takes 57 µs. */
export function openWaker(native: Native, onWake: () => void): Waker {
  const context = openContext(native);
  const fd = native.sluice_context_wake_fd(context);
  if (seesDescriptors()) holdLifeline(native, context);
  const socket = new Socket({ fd, readable: true, writable: true });
  socket.on("data", onWake);
  socket.resume();
  socket.unref();
  return { context, ref: () => socket.ref(), unref: () => socket.unref() };
}
