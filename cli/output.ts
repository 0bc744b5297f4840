/** The log on stdout, and what happens when the reader of the output goes. */
import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { describeFailure, exitCodes } from "./exit.ts";
import { tell } from "./screen.ts";

/** A reader that has seen enough, as in `sluice doctor | head`, ends us as a signal would end cat. */
function end(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(exitCodes.SIGPIPE);
}

let onError = end;
let isLost = false;

/** Ends the process when the reader of stdout goes, unless it outlives that; what is said to people may stay unread. */
export function watchOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => onError(error));
  process.stderr.on("error", () => undefined);
}

/**
 * Has a service go on when its log can't be written, be it that the reader has gone or that a disk is full.
 *
 * @param say is told why, in one line; the same line more than once
 */
export function outliveReader(say: (line: string) => void): void {
  onError = (error) => {
    // What is full may have room again; who has gone doesn't come back.
    isLost ||= error.code === "EPIPE";
    say(`sluice: ${describeFailure("write the log", error).message}; going on without it`);
  };
}

const told = new Set<string>();

/** Tells a line, once in the life of the process. */
export function tellOnce(line: string): void {
  if (told.has(line)) return;
  told.add(line);
  tell(line);
}

/** Writes to the log, as long as it has a reader. */
function writeLog(text: string): void {
  if (isLost) return;
  try {
    process.stdout.write(text);
  } catch (error) {
    // Deno writes within the call.
    onError(error as NodeJS.ErrnoException);
  }
}

/** A log in a file of its own. Rejected is one that can't be opened at the start; later on, what fails is told. */
class LogFile {
  readonly #path: string;
  #fd: number;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, "a");
  }

  write(text: string): void {
    try {
      // A file takes all of it, or its disk is full.
      writeSync(this.#fd, text);
    } catch (error) {
      onError(error as NodeJS.ErrnoException);
    }
  }

  /** Where it can't be opened, the old one goes on. */
  reopen(): void {
    try {
      const old = this.#fd;
      this.#fd = openSync(this.#path, "a");
      closeSync(old);
    } catch (error) {
      tell(`sluice: ${describeFailure("reopen the log", error).message}; going on with the old one`);
    }
  }
}

/** PIPE_BUF of Linux: a write of no more arrives in one piece, beside those of other writers. */
const pieceSize = 4096;

export interface LineLog {
  write(line: string): void;
  /** Opens its file anew, which somebody may have renamed. */
  reopen(): void;
  /** Writes what is still held back. */
  flush(): void;
}

/** Holds the lines of one turn of the event loop back, so that many cost few writes. */
export function createLineLog(path: string | undefined): LineLog {
  const file = path === undefined ? undefined : new LogFile(path);
  const send = file === undefined ? writeLog : (text: string) => file.write(text);
  let held = "";
  let scheduled = false;
  const flush = () => {
    scheduled = false;
    if (held !== "") send(held);
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
    reopen() {
      flush();
      file?.reopen();
    },
    flush,
  };
}
