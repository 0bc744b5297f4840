/** Who is at the two ends of an accepted connection, and whose word for that is taken (`--accept-proxy`). */
import type { Socket } from "node:net";
import { formatAddress } from "../address.ts";
import { formatIp, isWithin, parseIp, parsePrefix, type Prefix, unmapped } from "./ip.ts";
import type { Peer, ProxiedConnection } from "./proxy-head.ts";

/** Undefined for Unix sockets, and where a connection is gone already. */
export function connectionOf(socket: Socket): ProxiedConnection | undefined {
  const source = peer(socket.remoteAddress, socket.remotePort);
  const destination = peer(socket.localAddress, socket.localPort);
  return source && destination && { source, destination };
}

function peer(text: string | undefined, port: number | undefined): Peer | undefined {
  const address = text === undefined ? undefined : parseIp(text);
  return address && port !== undefined ? { address: unmapped(address), port } : undefined;
}

/** For people and for logs. */
export function formatPeer({ address, port }: Peer): string {
  return formatAddress({ host: formatIp(address), port });
}

/** All who may open the socket in the filesystem. */
const unix = "unix";

export type Trust = readonly (Prefix | typeof unix)[];

/** Addresses, prefixes, or "unix"; undefined where one of them is none of these. */
export function parseTrust(words: readonly string[]): Trust | undefined {
  const trust = words.map((word) => (word === unix ? unix : parsePrefix(word)));
  return trust.every((each) => each !== undefined) ? trust : undefined;
}

export function isTrusted(trust: Trust, { remoteAddress }: Socket): boolean {
  if (remoteAddress === undefined) return trust.includes(unix);
  const address = parseIp(remoteAddress);
  if (address === undefined) return false;
  const plain = unmapped(address);
  return trust.some((each) => each !== unix && (isWithin(each, plain) || isWithin(each, address)));
}
