/** PURE: where a stream socket listens or leads to, as it is written on a command line. */

/** A host, by name or address, and a port. */
export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

/** A socket in the filesystem (unix(7)). */
export interface PathAddress {
  readonly path: string;
}

export type Address = HostAddress | PathAddress;

/** sockaddr_un.sun_path, without the byte that ends it. */
const longestPath = 107;

/** What a port alone is a port of. */
const localHost = "127.0.0.1";

const isPort = (text: string): boolean => /^\d+$/.test(text) && Number(text) <= 65535;

/**
 * "example.org:80", "[::1]:80", "80" (of 127.0.0.1), "unix:name", or a path, which contains a slash. Undefined for what
 * is none of these.
 */
export function parseAddress(text: string): Address | undefined {
  const path = text.startsWith("unix:") ? text.slice("unix:".length) : text.includes("/") ? text : undefined;
  if (path !== undefined) return isPath(path) ? { path } : undefined;
  if (isPort(text)) return { host: localHost, port: Number(text) };
  const [, bracketed, plain, port = ""] = /^(?:\[([^[\]]+)\]|([^:[\]\s]+)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  return host !== undefined && isPort(port) ? { host, port: Number(port) } : undefined;
}

/** The port of HOST:PORT, or alone, that is out of range; undefined where that is not what is wrong with it. */
export function portBeyond(text: string): string | undefined {
  const port = /^(?:(?:\[[^[\]]+\]|[^:[\]\s/]+):)?(\d+)$/.exec(text)?.[1];
  return port === undefined || isPort(port) ? undefined : port;
}

function isPath(path: string): boolean {
  // The kernel counts bytes, of which a character of JavaScript has three at most in UTF-8.
  const bytes = [...path].reduce((sum, character) => sum + utf8Length(character.codePointAt(0) ?? 0), 0);
  return bytes > 0 && bytes <= longestPath && !path.includes("\0");
}

function utf8Length(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

/** The other way round: how to write an address down, so that it can be read again. */
export function formatAddress(address: Address): string {
  if ("path" in address) return address.path.includes("/") ? address.path : `unix:${address.path}`;
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
