/** Requests of node:http as Requests. */
import type { IncomingMessage } from "node:http";
import { bodyOf } from "../ends/message-body.ts";

/** What a Host may have in it: nothing that would move the end of the authority in a URL. */
const hostPattern = /^(?:[\w.~!$&'()*+,;=%-]+|\[[\da-f:.]+\])(?::\d*)?$/i;

/** In absolute form (RFC 9112, 3.2.2) the target has its own host; the scheme is the connection's all the same. */
const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/is;

function encrypted({ socket }: IncomingMessage): boolean {
  return "encrypted" in socket && socket.encrypted === true;
}

/** The address that was connected to, for those who name no host (HTTP/1.0). */
function localHost({ localAddress = "localhost", localPort }: IncomingMessage["socket"]): string {
  const host = localAddress.includes(":") ? `[${localAddress}]` : localAddress;
  return localPort === undefined ? host : `${host}:${localPort}`;
}

/** The URL of a request; undefined where its target or its Host makes none. */
function urlOf(message: IncomingMessage): string | undefined {
  const { headers, socket, url = "" } = message;
  const absolute = absoluteForm.exec(url);
  const named = headers.host ?? headers[":authority"];
  const host = absolute?.[1] ?? (typeof named === "string" ? named : localHost(socket));
  const target = absolute === null ? url : absolute[2]?.replace(/^(?!\/)/, "/");
  if (target === undefined || !target.startsWith("/") || !hostPattern.test(host)) return undefined;
  const text = `${encrypted(message) ? "https" : "http"}://${host}${target}`;
  return URL.canParse(text) ? text : undefined;
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = "", value = ""] = rawHeaders.slice(i, i + 2);
    // HTTP/2's own begin with a colon.
    if (!name.startsWith(":")) headers.append(name, value);
  }
  return headers;
}

/** Methods whose Requests have no body; what a client sends with them is discarded. */
const bodiless = new Set(["GET", "HEAD"]);

/** Methods that fetch knows and forbids. */
const forbidden = new Set(["CONNECT", "TRACE", "TRACK"]);

/** A Request, or the status to refuse it with. */
export function toRequest(message: IncomingMessage, signal: AbortSignal): Request | 400 | 501 {
  const { method = "GET" } = message;
  if (forbidden.has(method)) return 501;
  const url = urlOf(message);
  if (url === undefined) return 400;
  try {
    return build(message, url, method, signal);
  } catch (error) {
    // A name or a value that Node's parser let through and that fetch refuses.
    if (error instanceof TypeError) return 400;
    throw error;
  }
}

/** Whether a body comes, be it an empty one. HTTP/2 frames bodies by itself, and need not say so in a field. */
function hasBody(message: IncomingMessage, headers: Headers): boolean {
  if (bodiless.has(message.method ?? "GET")) return false;
  const { stream } = message as { readonly stream?: { readonly endAfterHeaders?: unknown } };
  return headers.has("content-length") || headers.has("transfer-encoding") || stream?.endAfterHeaders === false;
}

function build(message: IncomingMessage, url: string, method: string, signal: AbortSignal): Request {
  const headers = headersOf(message);
  if (!hasBody(message, headers)) return new Request(url, { method, headers, signal });
  // Not every runtime's types know `duplex`, which the others demand.
  const withBody = { method, headers, signal, body: bodyOf(message), duplex: "half" } as const;
  return new Request(url, withBody);
}
