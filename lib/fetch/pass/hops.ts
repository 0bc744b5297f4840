/** Fields that are between two neighbours and go no further (RFC 9110, 7.6.1), and how a body is framed for the next one. */
import type { IncomingMessage } from "node:http";
import { hops } from "../headers.ts";

/** Those that RFC 9110 says nothing of, or that are about the proxy itself (11.7). */
const ofProxies: readonly string[] = ["proxy-authenticate", "proxy-authorization", "http2-settings"];

const names = (list: string): string[] => list.split(",").map((name) => name.trim().toLowerCase());

/** What may be in a field's name; others can't be in Headers. */
const fieldName = /^[\w!#$%&'*+.^`|~-]+$/;

/** Takes away the fields of one connection, and those that its Connection names. */
export function dropHops(headers: Headers): void {
  const named = names(headers.get("connection") ?? "").filter((name) => fieldName.test(name));
  for (const name of [...named, ...hops, ...ofProxies]) headers.delete(name);
}

/** How a body comes: with its length, or in chunks. Undefined: in a transfer coding that nobody has undone. */
export type Framed = { readonly length: number | undefined } | undefined;

/** By what its parser went, whatever has been done to a copy of its fields. */
export function framingOf({ headers }: IncomingMessage): Framed {
  const { "transfer-encoding": codings, "content-length": length } = headers;
  if (codings !== undefined) return codings.trim().toLowerCase() === "chunked" ? { length: undefined } : undefined;
  return { length: length === undefined ? undefined : Number(length) };
}
