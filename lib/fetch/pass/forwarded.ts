/** What the upstream is told of the client: `X-Forwarded-*`, and `Forwarded` (RFC 7239). */

/** The exchange as it is seen here. */
export interface Seen {
  /** Undefined: unknown. */
  readonly address: string | undefined;
  readonly scheme: string;
  readonly host: string;
}

/** An address as lists of addresses have it: of IPv4 where it is one, and without the zone, which means something here alone. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");

const token = /^[\w!#$%&'*+.^`|~-]+$/;

const quoted = (value: string): string => (token.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`);

/** A node of RFC 7239, 6: IPv6 stands in brackets. */
const nodeOf = (address: string | undefined): string =>
  address === undefined ? "unknown" : quoted(address.includes(":") ? `[${address}]` : address);

/** By the first of these a client would say who it is. */
const isOfClient = (name: string): boolean =>
  name.startsWith("x-forwarded-") || name === "forwarded" || name === "x-real-ip";

const list = (before: string | null, one: string): string => (before === null ? one : `${before}, ${one}`);

/** @param trusts whether what came is believed, and added to */
export function setForwarded(headers: Headers, seen: Seen, trusts: boolean): void {
  if (!trusts) for (const name of Array.from(headers.keys()).filter(isOfClient)) headers.delete(name);
  const address = seen.address === undefined ? undefined : plainAddress(seen.address);
  if (address !== undefined) headers.set("x-forwarded-for", list(headers.get("x-forwarded-for"), address));
  if (!headers.has("x-forwarded-proto")) headers.set("x-forwarded-proto", seen.scheme);
  if (!headers.has("x-forwarded-host")) headers.set("x-forwarded-host", seen.host);
  const element = `for=${nodeOf(address)};host=${quoted(seen.host)};proto=${seen.scheme}`;
  headers.set("forwarded", list(headers.get("forwarded"), element));
}
