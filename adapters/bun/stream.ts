/** `sluice/stream`: see node/stream.ts. */
import { createStreams } from "../../lib/streams/streams.ts";
import { bun } from "./ffi.ts";

export type { StreamCheck } from "../../lib/streams/checks.ts";
export { report } from "../../lib/streams/report.ts";
export type { StreamMessage, StreamReport } from "../../lib/streams/report.ts";

export const { createReadStream, pipe, pipeline, promises, verify } = createStreams(bun);
