/**
 * `sluice/stream`: node:stream's own functions, by which bytes go past JavaScript where both ends allow it.
 *
 * Files to HTTP responses (node:http without TLS), sockets and files; sockets to files and sockets, from the first
 * read of 16 KiB or more on. Signatures, events, options and errors are Node's own, since all of them come from Node's own code;
 * any other pair of streams goes Node's own way altogether.
 */
import { createStreams } from "../../lib/streams/streams.ts";
import { node } from "./ffi.ts";

export type { StreamCheck } from "../../lib/streams/checks.ts";
export { report } from "../../lib/streams/report.ts";
export type { StreamMessage, StreamReport } from "../../lib/streams/report.ts";

const streams = createStreams(node);

/** `fs.createReadStream`. */
export const createReadStream: typeof streams.createReadStream = streams.createReadStream;

/** `source.pipe(target, options)`. */
export const pipe: typeof streams.pipe = streams.pipe;

/** `stream.pipeline`; `util.promisify` gives the form that returns a promise, as does `promises.pipeline`. */
export const pipeline: typeof streams.pipeline = streams.pipeline;

/** `stream.promises`. */
export const promises: typeof streams.promises = streams.promises;

/**
 * Resolves when what hand-overs rely on in this runtime, beyond what it documents, has been tried: a hand-over of each kind on
 * a connection to itself, once an isolate. That begins by itself when this is loaded (in a Worker with its first stream), and
 * streams go Node's own way until it is done; so do those of a kind whose trial fails, with a warning and that reason.
 *
 * @returns what was found, a kind at a time; nothing where there is no engine
 */
export const verify: typeof streams.verify = streams.verify;
