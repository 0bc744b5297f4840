/** `sluice/stream/promises`: node:stream/promises, by which bytes go past JavaScript where both ends allow it. */
import { promises } from "./stream.ts";

/** `finished` of node:stream/promises. */
export const finished: typeof promises.finished = promises.finished;
/** `pipeline` of node:stream/promises. */
export const pipeline: typeof promises.pipeline = promises.pipeline;
