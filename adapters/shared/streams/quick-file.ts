/**
 * Opens and closes a file on this thread where that waits for nothing. Each hop to a thread of the runtime's pool
 * costs about as much as sending a small body; events come in the same order, from a later phase of the event loop.
 */
import type { ReadStream } from "node:fs";
import type { Native } from "../../../core/abi.ts";
import { type FileReader, isPlainFile, pipesOf } from "./internals.ts";

type Callback = (error?: Error | null) => void;

/** The methods of fs.ReadStream around its descriptor; the types don't know the first. */
export interface FileMethods {
  _construct: (this: ReadStream, callback: Callback) => void;
  _read: (this: ReadStream, size: number) => void;
  _destroy: (this: ReadStream, error: Error | null, callback: Callback) => void;
  /** Deprecated, and replaced by those who open files in another way. */
  open?: unknown;
}

/** The library, if it is there. */
type FindNative = () => Native | undefined;

/** Bytes of the longest path that is tried, its NUL included. */
const pathMax = 4096;
const path = Buffer.alloc(pathMax);

/** The descriptor, or a negative number where the file has to be waited for. */
function openNow(native: Native, stream: FileReader & { readonly flags?: unknown }): number {
  if (typeof stream.path !== "string" || stream.flags !== "r" || typeof stream.fd === "number") return -1;
  const length = Buffer.byteLength(stream.path);
  if (length >= pathMax) return -1;
  path.write(stream.path);
  path[length] = 0;
  return native.sluice_open_now(path);
}

/** Makes a `_construct` out of Node's own, for streams that are piped already. */
export function quickConstruct(original: FileMethods, native: FindNative): FileMethods["_construct"] {
  return function _construct(this: ReadStream, callback: Callback): void {
    const stream = this as FileReader;
    const plain = pipesOf(stream).length > 0 && Reflect.get(stream, "open") === original.open && isPlainFile(stream);
    const engine = plain ? native() : undefined;
    const fd = engine === undefined ? -1 : openNow(engine, stream);
    if (fd < 0) return original._construct.call(stream, callback);
    setImmediate(() => {
      stream.fd = fd;
      callback();
      stream.emit("open", fd);
      stream.emit("ready");
    });
  };
}

/** Makes a `_destroy` out of Node's own, for streams that have nothing under way. */
export function quickDestroy(original: FileMethods, native: FindNative): FileMethods["_destroy"] {
  return function _destroy(this: ReadStream, error: Error | null, callback: Callback): void {
    const stream = this as FileReader;
    const { fd } = stream;
    // One that came with its descriptor, or as a FileHandle, is closed as it came.
    if (fd === null || stream.path === undefined || !isPlainFile(stream) || native()?.sluice_close_now(fd) !== 0)
      return original._destroy.call(stream, error, callback);
    stream.fd = null;
    setImmediate(callback, error);
  };
}
