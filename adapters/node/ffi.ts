/** Binds the native library with koffi, and is woken by a socket. */
import { statSync } from "node:fs";
import { Socket } from "node:net";
import { mapSymbols, type Native } from "../../core/abi/abi.ts";
import type { AbiType } from "../../core/abi/functions/define.ts";
import { openContext } from "../../lib/engine/context.ts";
import type { Waker } from "../../lib/runtime.ts";
import { loadKoffi } from "./koffi.ts";
import required from "./require.cjs";

const koffiType: Record<AbiType, string> = { i32: "int32", u32: "uint32", buffer: "void *" };

export function bind(path: string): Native {
  // Opening a FIFO would wait for ever.
  if (!statSync(path).isFile()) throw new Error("not a regular file");
  const library = loadKoffi().load(path);
  return mapSymbols((args, name) =>
    library.func(
      name,
      "int32",
      args.map((type) => koffiType[type]),
    ),
  );
}

export const view = (address: bigint, length: number): ArrayBuffer => required.koffi().view(address, length);

/**
 * A socket that libuv reads: 48 µs a round trip where koffi's own asynchronous calls take 109 µs and a
 * thread of libuv's pool each. The engine closes the context by itself when the socket loses its reader,
 * which is all that is seen of a terminated Worker.
 */
export function openWaker(native: Native, onWake: () => void): Waker {
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
