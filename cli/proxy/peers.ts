/** Who is at the two ends of an accepted connection. */
import type { Socket } from "node:net";
import { formatIp, parseIp, unmapped } from "./ip.ts";
import type { Peer, ProxiedConnection } from "./head.ts";
import { formatAddress } from "../address.ts";

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
