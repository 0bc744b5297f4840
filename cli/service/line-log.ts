/** A log on stdout. */
import { writeLog } from "../output.ts";

/** PIPE_BUF of Linux: a write of no more arrives in one piece, whoever else writes to the same pipe. */
const pieceSize = 4096;

export interface LineLog {
  write(line: string): void;
  /** Writes what is still held back. */
  flush(): void;
}

/** Holds the lines of one turn of the event loop back, so that many cost few writes. */
export function createLineLog(): LineLog {
  let held = "";
  let scheduled = false;
  const flush = () => {
    scheduled = false;
    if (held !== "") writeLog(held);
    held = "";
  };
  return {
    write(text) {
      const line = `${text}\n`;
      if (Buffer.byteLength(held) + Buffer.byteLength(line) > pieceSize) flush();
      held += line;
      if (!scheduled) setImmediate(flush);
      scheduled = true;
    },
    flush,
  };
}
