/** How a host's functions answer with an error of WIT: jco takes the payload, and everything else for a trap. */

export class Answer<T> extends Error {
  readonly payload: T;
  constructor(payload: T, cause?: unknown) {
    super("an answer in an error's shape", cause === undefined ? undefined : { cause });
    this.payload = payload;
  }
}
