/** The heads of answers, as far as they are the server's and not the handler's. */
import type { IncomingMessage, ServerResponse } from "node:http";

/**
 * Fields of one connection (RFC 9110, 7.6.1): an answer that came from elsewhere has its own. How a body is framed is for
 * the server to say; of Connection only "close" is the handler's.
 */
export const hops: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Fields that are about the bytes of a coding; nginx's gunzip takes them away, too. */
const ofCoding: ReadonlySet<string> = new Set(["content-encoding", "accept-ranges", "content-digest", "content-md5"]);

const wantsClose = (headers: Headers): boolean => /(?:^|,)\s*close\s*(?:,|$)/i.test(headers.get("connection") ?? "");

/** The length that a head promises; undefined for none, and for one that is no number, which then doesn't leave. */
export function promisedLength(headers: Headers): number | undefined {
  const text = headers.get("content-length");
  const length = text !== null && /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(length) ? length : undefined;
}

export interface Framing {
  /** Bytes of the body; undefined while that is unknown. */
  readonly length: number | undefined;
  /** Whether the body is as the handler says. False: it has been decoded since its head was made. */
  readonly isCoded: boolean;
}

/** Sets the head of an answer for a body as it is going to be. */
export function setHead(
  { httpVersionMajor }: IncomingMessage,
  response: ServerResponse,
  { status, statusText, headers }: Response,
  { length, isCoded }: Framing,
): void {
  response.statusCode = status;
  // HTTP/2 has no such text, and no connections of one answer.
  if (statusText !== "" && httpVersionMajor < 2) response.statusMessage = statusText;
  if (httpVersionMajor < 2 && wantsClose(headers)) response.shouldKeepAlive = false;
  for (const [name, value] of headers) {
    if (hops.has(name) || name === "set-cookie" || name === "content-length") continue;
    if (isCoded) response.setHeader(name, value);
    // Of a strong tag every byte would be the same.
    else if (name === "etag") response.setHeader(name, value.replace(/^(?!W\/)/, "W/"));
    else if (!ofCoding.has(name)) response.setHeader(name, value);
  }
  if (length !== undefined) response.setHeader("content-length", length);
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) response.setHeader("set-cookie", cookies);
}
