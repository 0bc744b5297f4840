/** `sluice/stream` for Node.js. */
import { provideStreams } from "../../lib/streams/prepare.ts";
import { node } from "./runtime.ts";

export * from "../../lib/public/stream.ts";

provideStreams(node);
