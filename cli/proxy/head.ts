/** PURE: what versions 1 and 2 of the PROXY protocol have in common; see `proxy-protocol.ts`. */
import type { IpAddress } from "./ip.ts";

/** One end of a TCP connection. */
export interface Peer {
  readonly address: IpAddress;
  readonly port: number;
}

/** The connection that a head speaks of. */
export interface ProxiedConnection {
  /** The client. */
  readonly source: Peer;
  /** What the client connected to. */
  readonly destination: Peer;
}

/** What the first bytes of a connection are. */
export type ParsedHead =
  /** Not a whole head yet; it has `needed` bytes at least. */
  | { readonly state: "more"; readonly needed: number }
  | { readonly state: "refused"; readonly reason: string }
  | {
      readonly state: "complete";
      /** Bytes of the head; what follows is the client's. */
      readonly length: number;
      readonly version: ProxyVersion;
      /** Undefined where the head says nothing: a check by the proxy itself, or a client that isn't on TCP. */
      readonly connection: ProxiedConnection | undefined;
    };

export const proxyVersions = [1, 2] as const;
export type ProxyVersion = (typeof proxyVersions)[number];

export const refused = (reason: string): ParsedHead => ({ state: "refused", reason });
