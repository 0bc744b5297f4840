/** Closes a file on this thread where that waits for nothing: a hop to the runtime's pool costs more than a small body. */
import { closeSync, type ReadStream } from "node:fs";
import type { Native } from "../../core/abi/abi.ts";
import { type FileReader, isPlainFd } from "./internals.ts";

type Callback = (error?: Error | null) => void;

/** The methods of fs.ReadStream that only its implementer calls. */
export interface FileMethods {
  _read: (this: ReadStream, size: number) => void;
  _destroy: (this: ReadStream, error: Error | null, callback: Callback) => void;
}

/** Makes a `_destroy` out of Node's own, for streams that have nothing under way. */
export function quickDestroy(original: FileMethods, native: () => Native | undefined): FileMethods["_destroy"] {
  return function _destroy(this: ReadStream, error: Error | null, callback: Callback): void {
    const stream = this as FileReader;
    const { fd } = stream;
    if (fd === null || !isPlainFd(stream) || native()?.sluice_closes_quickly(fd) !== 1)
      return original._destroy.call(stream, error, callback);
    stream.fd = null;
    try {
      closeSync(fd);
    } catch (failure) {
      error ??= failure as Error;
    }
    // Not before listeners of the target's 'finish' and 'close' have run, as with Node's own.
    setImmediate(callback, error);
  };
}
