/** `sluice/stream/promises`: node:stream/promises, by which bytes go past JavaScript where both ends allow it. */
import { promises } from "./stream.ts";

/** `finished` and `pipeline` of node:stream/promises. */
export const finished: typeof promises.finished = promises.finished;
export const pipeline: typeof promises.pipeline = promises.pipeline;
