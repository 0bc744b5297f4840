/** The body of an HTTP message that comes from a connection: how long it is, and how much of it may pass a parser by. */

/**
 * With less of a body to come, the runtime passes it on at less cost than what a hand-over needs around it. To another
 * connection its first bytes go on the calling thread, so that less pays.
 */
export const leastBodyBytes = { connection: 512 * 1024, file: 1024 * 1024 } as const;

/** The end of a body that the runtime reads itself, so that it is its own parser that meets what follows, or what is missing. */
export const bodyTailBytes = 1024;

const digits = /^\d{1,15}$/;

/**
 * The length of the body that a message's head tells (RFC 9112 §6.3), or why it tells none that can be relied on; undefined where
 * it tells of no body.
 *
 * @param rawHeaders names and values in turn, as they came
 */
export function bodyLength(rawHeaders: readonly string[]): number | string | undefined {
  let length: string | undefined;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    // "Content-Length" and "Transfer-Encoding": most names needn't be put in lower case.
    if (name.length !== 14 && name.length !== 17) continue;
    const lower = name.toLowerCase();
    if (lower === "transfer-encoding") return "the body comes in chunks";
    if (lower !== "content-length") continue;
    if (length !== undefined) return "the message has several lengths";
    length = rawHeaders[index + 1];
  }
  if (length === undefined) return undefined;
  return digits.test(length) ? Number(length) : "the message's length is not a plain number";
}

/** Bytes that may pass the parser by, of a body of which so many have not come yet. */
export function passableBytes(left: number): number {
  return Math.max(0, left - bodyTailBytes);
}
