/** What the supervisor and its workers say to each other, by the channel of node:cluster. */
import type { Snapshot } from "./snapshot.ts";

/** From a worker. */
export type Report =
  /** It hears. What is sent before can be lost. */
  | { readonly kind: "ready" }
  | { readonly kind: "listening" }
  | { readonly kind: "failed"; readonly message: string }
  /** Its log can't be written. */
  | { readonly kind: "log"; readonly line: string }
  | { readonly kind: "metrics"; readonly question: number; readonly snapshot: Snapshot };

/** To a worker. */
export type Order =
  /** The options are data alone: what `Program.start` takes. */
  | { readonly kind: "start"; readonly options: unknown }
  /** To be answered with the same number. */
  | { readonly kind: "metrics"; readonly question: number }
  | { readonly kind: "stop" };
