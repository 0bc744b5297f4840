/** Binds the native library with Deno.dlopen, and is woken by a socket. */
import { isMainThread } from "node:worker_threads";
import { existsSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { type AbiType, mapSymbols, type Native } from "../../core/abi/abi.ts";
import { openContext } from "../../lib/engine/engine.ts";
import type { Runtime, Waker } from "../../lib/runtime.ts";
import { source, target } from "./objects.ts";
import { socketFd, stopReading } from "./sockets.ts";

const ffiType = { i32: "i32", u32: "u32", buffer: "buffer" } as const satisfies Record<AbiType, Deno.NativeType>;

const definitions = mapSymbols((args) => ({ parameters: args.map((type) => ffiType[type]), result: "i32" as const }));

/** Whether a permission has been granted already. Asking for it would prompt. */
function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/** What closes the duplicates that Deno hands out; without the library they are not asked for. */
let library: Native | undefined;

function bind(path: string): Native {
  if (!isGranted({ name: "ffi", path })) throw new Error("Deno was started without --allow-ffi for it");
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

function view(address: bigint, length: number): ArrayBuffer {
  const pointer = Deno.UnsafePointer.create(address);
  if (pointer === null) throw new TypeError("There is nothing at address 0");
  return Deno.UnsafePointerView.getArrayBuffer(pointer, length);
}

/** Deno says that reading /proc is granted, and then asks for all permissions (NotCapable). */
function seesOwnDescriptors(): boolean {
  try {
    return isGranted({ name: "read", path: "/proc/self/fd" }) && existsSync("/proc/self/fd");
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}

/** A socket that Deno reads: 28 µs to the event loop, where a thread-safe callback takes 57 µs. */
function openWaker(native: Native, onWake: () => void): Waker {
  const context = openContext(native);
  const fd = native.sluice_context_wake_fd(context);
  if (seesOwnDescriptors()) holdLifeline(native, context);
  const socket = new Socket({ fd, readable: true, writable: true });
  socket.on("data", onWake);
  socket.resume();
  socket.unref();
  return { context, ref: () => socket.ref(), unref: () => socket.unref() };
}

export const deno: Runtime = {
  name: "deno",
  readsAhead: true,
  guardsSystem: true,
  keepsSockets: "Deno may have a read of the socket under way",
  env: (name) => (isGranted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined),
  bind,
  view,
  openWaker,
  // It takes the main thread of a web Worker for that of the process.
  isWorker: () => !isMainThread || "WorkerGlobalScope" in globalThis,
  socketFd: (socket) => (library === undefined ? "the engine is not there" : socketFd(socket, library.sluice_close)),
  stopReading,
  source,
  target,
};
