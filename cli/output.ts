/** What happens when nobody takes the output any more. */
import process from "node:process";
import { describeFailure } from "./exit.ts";
import { tell } from "./screen.ts";

/** A reader that has seen enough, as in `sluice doctor | head`, is no error. */
function end(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit();
}

let onError = end;
let isLost = false;

/** Ends the process when the reader of stdout goes, unless it outlives that; not when nobody reads what is said to people. */
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

/** Writes to the log on stdout, as long as there is somebody to read it. */
export function writeLog(text: string): void {
  if (isLost) return;
  try {
    process.stdout.write(text);
  } catch (error) {
    // Deno writes within the call.
    onError(error as NodeJS.ErrnoException);
  }
}

const told = new Set<string>();

/** Tells a line, once in the life of the process. */
export function tellOnce(line: string): void {
  if (told.has(line)) return;
  told.add(line);
  tell(line);
}
