/** `sluice/stream`: see node/stream.ts. */
import { createStreams } from "../shared/streams/streams.ts";
import { bun } from "./ffi.ts";

export type { StreamCheck } from "../shared/streams/checks.ts";
export { report } from "../shared/streams/report.ts";
export type { StreamMessage, StreamReport } from "../shared/streams/report.ts";

export const { createReadStream, pipe, pipeline, promises, verify } = createStreams(bun);
