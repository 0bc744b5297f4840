/** One stream's way past JavaScript: from where, to where, and by what. */
import type { Writable } from "node:stream";
import type { Engine } from "../../engine/engine.ts";
import type { Machine } from "../../engine/machine.ts";
import type { Feed } from "../feeds/feed.ts";
import type { Sink } from "../sinks/sink.ts";
import type { Tally } from "./tally.ts";

export interface Route {
  readonly feed: Feed;
  readonly sink: Sink;
  /** What the stream is piped to, of which the sink knows how to take bytes. */
  readonly target: Writable;
  readonly machine: Machine;
  readonly engine: Engine;
  /** What it comes to. */
  readonly tally: Tally;
}
