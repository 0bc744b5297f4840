/**
 * `sluice/stream`: node:stream's own functions, by which bytes go past JavaScript where both ends allow it.
 *
 * Files to HTTP responses (node:http without TLS), sockets and files; sockets to files and sockets, from the first
 * read of 16 KiB or more on. Signatures, events, options and errors are Node's own, since all of them come from Node's own code;
 * any other pair of streams goes Node's own way altogether.
 */
import { createStreams } from "../shared/streams/streams.ts";
import { node } from "./ffi.ts";

export { report } from "../shared/streams/report.ts";
export type { StreamMessage, StreamReport } from "../shared/streams/report.ts";

const streams = createStreams(node);

/** `fs.createReadStream`. */
export const createReadStream: typeof streams.createReadStream = streams.createReadStream;

/** `source.pipe(target, options)`. */
export const pipe: typeof streams.pipe = streams.pipe;

/** `stream.pipeline`; `util.promisify` gives the form that returns a promise, as does `promises.pipeline`. */
export const pipeline: typeof streams.pipeline = streams.pipeline;

/** `stream.promises`. */
export const promises: typeof streams.promises = streams.promises;
