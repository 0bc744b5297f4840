/** What the handlers of Kafka's requests have in common. */
import type { Buffer } from "node:buffer";
import type { CommittedOffsets } from "./committed.ts";
import type { Groups } from "./groups.ts";
import type { Range } from "./segment.ts";
import type { Topics } from "./topics.ts";
import type { Reader } from "./wire.ts";

/** The node id of the only broker. */
export const nodeId = 0;

/** What a client may ask for. */
export const limits = {
  requestBytes: 32 * 2 ** 20,
  batchBytes: 16 * 2 ** 20,
  /** Of all the lists in a request: each item costs more to answer than to ask for. */
  items: 10_000,
  /** Of one connection, until no more is read of it. */
  waitingRequests: 100,
  fetchBytes: 2 ** 30,
  fetchWaitMs: 30_000,
} as const;

export interface Context {
  readonly topics: Topics;
  readonly groups: Groups;
  readonly committed: CommittedOffsets;
  readonly version: number;
  /** Where the client has reached the broker, and will reach it again. */
  readonly host: string;
  readonly port: number;
  /** Aborted when the connection is gone. */
  readonly closed: AbortSignal;
}

/** What an answer is made of: bytes of the protocol, and batches that lie in a segment. */
export type Part = Buffer | Range;

/** Goes on with a request when those before it on its connection are answered. Undefined: it wants no answer. */
export type Continue = () => Promise<readonly Part[] | undefined>;

export interface Api {
  readonly key: number;
  /** The versions that are understood. */
  readonly min: number;
  readonly max: number;
  /** Reads a request, and begins what need not wait for the answers to those before it. @throws ProtocolError */
  begin(request: Reader, context: Context): Continue;
}
