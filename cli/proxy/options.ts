/** What `sluice proxy` is asked for. Data alone: it is sent to workers. */
import type { Address } from "../address.ts";
import type { Policy } from "./balance.ts";
import type { ProxyVersion } from "./head.ts";
import type { LogFormat } from "./log.ts";

export interface RelayOptions {
  readonly listen: Address;
  /** Let other processes listen on the same port. */
  readonly reusePort: boolean;
  /** At least one. */
  readonly upstreams: readonly Address[];
  readonly policy: Policy;
  /** For one try of one upstream, and for the head of a connection. */
  readonly connectTimeoutMs: number;
  /** 0: never. */
  readonly idleTimeoutMs: number;
  /** 0: never. */
  readonly timeoutMs: number;
  /** Of each direction; undefined: no limit. */
  readonly maxBytes: number | undefined;
  /** Open connections at a time; more are closed as they come. */
  readonly maxConnections: number;
  /** Tell upstreams by the PROXY protocol who the client is. */
  readonly sendHead: ProxyVersion | undefined;
  /** Where connections come from that begin with a head of the PROXY protocol, as `parseTrust` takes it; undefined: none does. */
  readonly acceptHead: readonly string[] | undefined;
  /** How long connections are waited for at the end. */
  readonly drainMs: number;
  readonly log: LogFormat;
  readonly metrics: boolean;
}
