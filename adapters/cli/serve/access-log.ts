/** One line a request on stdout, for people or as JSON. */
import process from "node:process";
import type { Access, Observer } from "./observer.ts";

export type Format = (access: Access) => string;

export const formatLine: Format = ({ time, address, method, url, status, bytes, durationMs, aborted }) =>
  `${time.toISOString()} ${address ?? "-"} ${method} ${url} ${status} ${bytes ?? "-"} ${durationMs.toFixed(1)} ms${aborted ? " aborted" : ""}`;

export const formatJson: Format = (access) =>
  JSON.stringify(access, (_key, field: unknown) => (field === undefined ? null : field));

/** PIPE_BUF of Linux: a write of no more arrives in one piece, whoever else writes to the same pipe. */
const pieceSize = 4096;

export interface AccessLog extends Observer {
  /** Writes what is still held back. */
  flush(): void;
}

/** Holds the lines of one turn of the event loop back, so that many requests cost few writes. */
export function createAccessLog(format: Format): AccessLog {
  let held = "";
  let scheduled = false;
  const flush = () => {
    scheduled = false;
    if (held !== "") process.stdout.write(held);
    held = "";
  };
  return {
    begin: () => undefined,
    end(access) {
      const line = `${format(access)}\n`;
      if (Buffer.byteLength(held) + Buffer.byteLength(line) > pieceSize) flush();
      held += line;
      if (!scheduled) setImmediate(flush);
      scheduled = true;
    },
    flush,
  };
}
