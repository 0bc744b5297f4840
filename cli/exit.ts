/** How the command line ends: its exit codes, and errors told in one line. */
import { errnoNumber, errnoText } from "../core/abi/errno.ts";

export const exitCodes = { ok: 0, failed: 1, usage: 2, SIGINT: 130, SIGTERM: 143 } as const;

/** For --help; the words of docs/cli.md. */
export const exitCodesHelp = `Exit codes:
  0    done
  1    the transfer failed; one line on stderr says why
  2    wrong usage
  130  interrupted by Ctrl-C, after a clean cancel that says what was moved
  143  ended by SIGTERM, likewise`;

/** A command line that can't be meant. */
export class UsageError extends Error {}

/** What every failure has in common, whoever threw it. */
export interface Failure {
  readonly code: string | undefined;
  /** One line, without the name of the program. */
  readonly message: string;
  readonly bytesTransferred: number;
}

/** Tells an error in one line: what could not be done, then why. */
export function describeFailure(action: string, error: unknown): Failure {
  const code = property(error, "code", "string");
  const bytesTransferred = property(error, "bytesTransferred", "number") ?? 0;
  const reason = reasonOf(error, code).replace(/\s+/g, " ");
  return { code, message: `Cannot ${action}: ${reason}`, bytesTransferred };
}

/** The platform's errors name the call and the path as an engineer wants them; a person wants the reason. */
function reasonOf(error: unknown, code: string | undefined): string {
  if (!(error instanceof Error)) return String(error);
  const ours = property(error, "bytesTransferred", "number") !== undefined;
  if (ours || code === undefined || errnoNumber(code) === 0) return error.message.replace(/^Cannot .*?: /, "");
  const where = property(error, "path", "string");
  return `${errnoText(code)} (${where === undefined ? code : `${code}, ${where}`})`;
}

interface Kinds {
  string: string;
  number: number;
}

function property<K extends keyof Kinds>(error: unknown, name: string, kind: K): Kinds[K] | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const value: unknown = Reflect.get(error, name);
  return typeof value === kind ? (value as Kinds[K]) : undefined;
}
