/** Proxied pairs of connections. */
import { define } from "./define.ts";

export const pairFunctions = {
  sluice_pair_open: define({
    args: ["i32", "i32", "i32"],
    names: ["context", "a", "b"],
    doc: "Duplicates the descriptors of two connections into a new pair and returns its handle.",
  }),
  sluice_pair_start: define({
    args: ["i32", "buffer", "buffer", "u32", "buffer", "u32"],
    names: ["pair", "request", "to_b", "to_b_length", "to_a", "to_a_length"],
    doc: "Starts moving bytes between the two, after those given here; request.head is how many of those for b count nowhere. One outcome arrives at the context.",
  }),
  sluice_pair_stop: define({
    args: ["i32"],
    names: ["pair"],
    doc: "Asks a started pair to end; its outcome says what had moved. Others ignore it.",
  }),
  sluice_pair_progress: define({
    args: ["i32", "buffer"],
    names: ["pair", "progress"],
    doc: "Writes how many bytes have moved, for how long none has, and whose peers have ended (bit 0: a's, 1: b's), without disturbing the pair.",
  }),
  sluice_pair_reap: define({
    args: ["i32", "buffer", "u32"],
    names: ["context", "outcomes", "capacity"],
    doc: "Takes up to `capacity` outcomes of pairs from the context and returns how many.",
  }),
  sluice_pair_close: define({
    args: ["i32", "u32"],
    names: ["pair", "reset"],
    doc: "Closes both duplicates and frees the handle; a started pair is stopped and forgotten. With `reset`, TCP connections are aborted (RST) and others shut down, whoever else has them open.",
  }),
} as const;
