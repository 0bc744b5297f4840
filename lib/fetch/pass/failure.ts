/** Why the upstream has given no answer, or no whole one. */
import type { IncomingMessage } from "node:http";
import { errnoNumber, errnoText, isErrnoName } from "../../../core/abi/errno.ts";
import { TransferError, thrownText } from "../../../core/error.ts";
import { codeOf } from "../../support/system-error.ts";

/** A failure that a status tells the client. */
export class PassFailure {
  readonly status: 408 | 502 | 504;
  readonly error: TransferError;

  constructor(status: 408 | 502 | 504, error: TransferError) {
    this.status = status;
    this.error = error;
  }
}

const told = (upstream: string, how: string, code: string, cause?: unknown): TransferError => {
  const errno = errnoNumber(code);
  return new TransferError(`Cannot pass request on to ${upstream}: ${how} (${code})`, {
    code,
    errno: errno > 0 ? errno : undefined,
    syscall: thrownText(cause, "syscall"),
    cause,
  });
};

/** What was waited for in vain. */
export function expired(upstream: string, what: string, ms: number, status: 408 | 504 = 504): PassFailure {
  return new PassFailure(status, told(upstream, `${what} for ${ms} ms`, "ETIMEDOUT"));
}

/** What a connection, or the parser of its answer, has failed with. */
export function failed(upstream: string, error: unknown): PassFailure {
  const code = codeOf(error) ?? "ERR_SLUICE_FAILED";
  const how = isErrnoName(code) ? errnoText(code) : error instanceof Error ? error.message : String(error);
  return new PassFailure(code === "ETIMEDOUT" ? 504 : 502, told(upstream, how, code, error));
}

/** An answer that can't be passed on. */
export function unfit(upstream: string, how: string): PassFailure {
  return new PassFailure(502, told(upstream, how, "EPROTO"));
}

interface Origin {
  readonly name: string;
  readonly request: Request;
}

const origins = new WeakMap<IncomingMessage, Origin>();

/** Notes of whom an answer is. */
export const tellOf = (message: IncomingMessage, origin: Origin): void => void origins.set(message, origin);

/** What is to be told of an answer that has come in part. That its client has gone is told as it is. */
export function cutOff(message: IncomingMessage, error: unknown): unknown {
  const origin = origins.get(message);
  if (origin === undefined || error instanceof TransferError || error === origin.request.signal.reason) return error;
  return failed(origin.name, error).error;
}
