/** `sluice/fetch` for Node.js. */
import { provideStreams } from "../../lib/streams/prepare.ts";
import { node } from "./runtime.ts";

export * from "../../lib/public/fetch.ts";

provideStreams(node);
