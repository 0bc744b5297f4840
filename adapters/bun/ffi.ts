/** Binds the native library with bun:ffi, and is woken by a socket. */
import { dlopen, FFIType, type Pointer, toArrayBuffer } from "bun:ffi";
import { statSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { type AbiType, mapSymbols, type Native } from "../../core/abi/abi.ts";
import { openContext } from "../../lib/engine/engine.ts";
import type { Runtime, Waker } from "../../lib/runtime.ts";
import { noNotices, source, target } from "./objects.ts";
import { socketFd, stopReading } from "./sockets.ts";

const ffiType = { i32: FFIType.i32, u32: FFIType.u32, buffer: FFIType.ptr } as const satisfies Record<AbiType, FFIType>;

const definitions = mapSymbols((args) => ({ args: args.map((type) => ffiType[type]), returns: FFIType.i32 as const }));

function bind(path: string): Native {
  // Opening a FIFO would wait for ever.
  if (!statSync(path).isFile()) throw new Error("not a regular file");
  return dlopen(path, definitions).symbols;
}

/**
 * A socket that Bun reads: 9 µs to the event loop, where a thread-safe JSCallback takes 57 µs. Bun closes it
 * with the isolate, and the engine then closes the context.
 */
function openWaker(native: Native, onWake: () => void): Waker {
  const context = openContext(native);
  // It arrives a moment later; until then its wishes are kept.
  let socket: Bun.Socket | undefined;
  let wanted = false;
  const want = (alive: boolean) => {
    if (wanted === alive) return;
    wanted = alive;
    if (alive) socket?.ref();
    else socket?.unref();
  };
  const options = {
    fd: native.sluice_context_wake_fd(context),
    socket: {
      open(opened: Bun.Socket) {
        socket = opened;
        if (!wanted) opened.unref();
      },
      data: onWake,
    },
  };
  // `fd` is known to Bun.connect, but not to its types, which ask for a path or a host.
  void Bun.connect(options as unknown as Bun.UnixSocketOptions);
  return { context, ref: () => want(true), unref: () => want(false) };
}

export const bun: Runtime = {
  name: "bun",
  keepsStreams: "Bun's node:http shows no descriptors; Bun sends a body of Bun.file() by sendfile itself",
  withoutNotices: noNotices,
  readsAhead: true,
  readsSockets: "Bun reads a socket whose peer has reset it, whoever else does",
  env: (name) => process.env[name],
  bind,
  // Pointers are numbers here, of a type of their own.
  view: (address, length) => toArrayBuffer(Number(address) as Pointer, 0, length),
  openWaker,
  isWorker: () => !isMainThread || "WorkerGlobalScope" in globalThis,
  socketFd,
  stopReading,
  source,
  target,
};
