/** What can be run as a service: in this process, or in workers that share an address. */
import type { Snapshot } from "./metrics.ts";

/** It listens. */
export interface Running<O> {
  /** Undefined for a socket in the filesystem. */
  readonly port: number | undefined;
  /** Undefined without metrics. */
  readonly metrics: { snapshot(): Promise<Snapshot> } | undefined;
  /** Opens its log anew, and serves by these options from now on; what is under way is left alone. */
  reload(options: O): void;
  /** Takes no more connections, and waits for what is under way; not for ever. */
  close(): Promise<void>;
}

/** `O` is data alone: it is sent to workers. */
export interface Program<O> {
  start(options: O): Promise<Running<O>>;
  /** The options for each of several processes, once it is known that the address is free. */
  share(options: O): Promise<O>;
  /** The same options, with what is read at the start read anew. */
  reload(options: O): Promise<O>;
  /** Where it is to listen: 0 lets the system choose, undefined is a socket in the filesystem. */
  port(options: O): number | undefined;
  /** Completes "Cannot …". */
  action(options: O): string;
  /** How long `close` may take. Milliseconds. */
  shutdownMs(options: O): number;
}
