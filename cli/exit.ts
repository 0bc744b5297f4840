/** How the command line ends: its exit codes, and errors told in one line. */
import { TransferError } from "sluice";
import { codeOf, errnoText, isErrnoName } from "sluice/internal";

export const exitCodes = { ok: 0, failed: 1, usage: 2, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 } as const;

/** The words of docs/cli.md. */
export const exitCodeMeanings: readonly (readonly [code: number, meaning: string])[] = [
  [exitCodes.ok, "done"],
  [exitCodes.failed, "the transfer failed; one line on stderr says why"],
  [exitCodes.usage, "wrong usage"],
  [exitCodes.SIGINT, "interrupted by Ctrl-C, after a clean cancel that says what was moved"],
  [exitCodes.SIGPIPE, "whoever read the output has gone, as with cat in a shell"],
  [exitCodes.SIGTERM, "ended by SIGTERM, after a clean cancel"],
];

/** For --help. */
export const exitCodesHelp = [
  "Exit codes:",
  ...exitCodeMeanings.map(([code, meaning]) => `  ${String(code).padEnd(5)}${meaning}`),
].join("\n");

/** A command line that can't be meant. */
export class UsageError extends Error {}

/** Whoever read what was written has seen enough, as in `sluice copy FILE - | head`. */
export class ReaderGoneError extends Error {}

/** What every failure has in common, the platform's and ours. */
export interface Failure {
  readonly code: string | undefined;
  /** One line, without the name of the program. */
  readonly message: string;
  readonly bytesTransferred: number;
}

/** Tells an error in one line: what could not be done, then why. */
export function describeFailure(action: string, error: unknown): Failure {
  const code = codeOf(error);
  const reason = reasonOf(error, code).replace(/\s+/g, " ");
  const bytesTransferred = error instanceof TransferError ? error.bytesTransferred : 0;
  return { code, message: `Cannot ${action}: ${reason}`, bytesTransferred };
}

/** The platform's errors name the call and the path as an engineer wants them; a person wants the reason. */
function reasonOf(error: unknown, code: string | undefined): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof TransferError || code === undefined || !isErrnoName(code))
    return error.message.replace(/^Cannot .*?: /, "");
  const where = "path" in error && typeof error.path === "string" ? `${code}, ${error.path}` : code;
  return `${errnoText(code)} (${where})`;
}
