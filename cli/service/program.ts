/** What can be run as a service: in this process, or in workers that share an address. */
import type { Snapshot } from "./snapshot.ts";

/** It listens. */
export interface Running {
  /** Undefined for a socket in the filesystem. */
  readonly port: number | undefined;
  /** Undefined without metrics. */
  readonly metrics: { snapshot(): Promise<Snapshot> } | undefined;
  /** Takes no more connections, and waits for what is under way; not for ever. */
  close(): Promise<void>;
}

/** `O` is data alone: it is sent to workers. */
export interface Program<O> {
  start(options: O): Promise<Running>;
  /** The options for each of several processes, once it is known that nobody else has the address. */
  share(options: O): Promise<O>;
  /** Where it is to listen: 0 lets the system choose, undefined is a socket in the filesystem. */
  port(options: O): number | undefined;
  /** Completes "Cannot …". */
  action(options: O): string;
  /** How long `close` may take. Milliseconds. */
  shutdownMs(options: O): number;
}
