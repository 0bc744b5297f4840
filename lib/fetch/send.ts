/** Sends files to responses of node:http. */
import type { createReadStream } from "node:fs";
import { TransferError } from "../../core/error.ts";
import type { SendFile } from "./traits.ts";

/** How a file is read: by node:fs, or past JavaScript. */
export type OpenStream = typeof createReadStream;

export const sendByStream =
  (open: OpenStream): SendFile =>
  ({ fd, start, length, path }, response, end) => {
    const stream = open("", { fd, start, end: start + length - 1 });
    return new Promise((resolve, reject) => {
      // While no head has been sent, it can still be said what is wrong.
      const fail = (error: Error) => {
        if (response.headersSent) response.destroy();
        reject(error);
      };
      const over = () => {
        stream.destroy();
        resolve();
      };
      stream.once("error", fail);
      // A write that comes just after the connection has gone.
      response.once("error", fail);
      stream.once("end", () => {
        if (stream.bytesRead === length) response.end();
        else fail(truncated(length - stream.bytesRead, start + stream.bytesRead, path));
      });
      response.once("close", over);
      // An answer that waits for its turn may hear of its connection's end by nothing else.
      end.add(over);
      // Not stream.pipeline, which makes an AbortSignal, aborts it, and waits for the file to be closed.
      stream.pipe(response, { end: false });
    });
  };

export function truncated(missing: number, offset: number, path: string): TransferError {
  return new TransferError(
    `Cannot send file: expected ${missing} more bytes at offset ${offset}, source was truncated`,
    { code: "ERR_SLUICE_TRUNCATED", sourceOffset: offset, path },
  );
}
