/** How a host's functions answer with an error of WIT: jco takes the payload, and everything else for a trap. */
import { codeOf } from "../support/system-error.ts";

export class Answer<T> extends Error {
  readonly payload: T;
  constructor(payload: T, cause?: unknown) {
    super("an answer in an error's shape", cause === undefined ? undefined : { cause });
    this.payload = payload;
  }
}

/** What a call throws leaves as an answer, but for what has no code: that is a bug, and a trap. */
export function answeringBy<T>(call: () => T, payloadOf: (code: string, error: unknown) => unknown): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Answer) throw error;
    const code = codeOf(error);
    if (code === undefined) throw error;
    throw new Answer(payloadOf(code, error), error);
  }
}
