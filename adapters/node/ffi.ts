/** Binds the native library with koffi, and is woken by a socket. */
import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { Socket } from "node:net";
import type * as WorkerThreads from "node:worker_threads";
import { type AbiType, mapSymbols, type Native } from "../../core/abi/abi.ts";
import { openContext } from "../../lib/engine/engine.ts";
import type { Runtime, Waker } from "../../lib/runtime.ts";
import { endedBy, socketFd, stopReading } from "./sockets.ts";

const koffiType: Record<AbiType, string> = { i32: "int32", u32: "uint32", buffer: "void *" };

type Koffi = typeof import("koffi");

/** What is required when first needed. */
const require = createRequire(import.meta.url);

/** Importing sluice must cost nothing where koffi is absent or forbidden. */
const requireKoffi = () => require("koffi") as Koffi;

function bind(path: string): Native {
  // Opening a FIFO would wait for ever.
  if (!statSync(path).isFile()) throw new Error("not a regular file");
  const koffi = requireKoffi();
  const library = koffi.load(path);
  return mapSymbols((args, name) =>
    library.func(
      name,
      "int32",
      args.map((type) => koffiType[type]),
    ),
  );
}

/**
 * A socket that libuv reads: 48 µs a round trip where koffi's own asynchronous calls take 109 µs and a
 * thread of libuv's pool each. The engine closes the context by itself when the socket loses its reader,
 * which is all that is seen of a terminated Worker.
 */
function openWaker(native: Native, onWake: () => void): Waker {
  const context = openContext(native);
  const fd = native.sluice_context_wake_fd(context);
  const onread = {
    buffer: Buffer.alloc(64),
    callback: () => {
      onWake();
      return true;
    },
  };
  // `onread` reads into one buffer for good; the types know it for connect() only.
  const options = { fd, readable: true, writable: false, onread };
  const socket = new Socket(options);
  socket.resume();
  socket.unref();
  return { context, ref: () => socket.ref(), unref: () => socket.unref() };
}

export const node: Runtime = {
  name: "node",
  env: (name) => process.env[name],
  bind,
  view: (address, length) => requireKoffi().view(address, length),
  openWaker,
  isWorker: () => !(require("node:worker_threads") as typeof WorkerThreads).isMainThread,
  socketFd,
  stopReading,
  endedBy,
};
