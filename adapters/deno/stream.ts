/** `sluice/stream`: see node/stream.ts. */
import { createStreams } from "../shared/streams/streams.ts";
import { deno } from "./ffi.ts";

export { report } from "../shared/streams/report.ts";
export type { StreamMessage, StreamReport } from "../shared/streams/report.ts";

export const { createReadStream, pipe, pipeline, promises } = createStreams(deno);
