/** `sluice/stream/promises` for Bun. */
import { provideStreams } from "../../lib/streams/prepare.ts";
import { bun } from "./runtime.ts";

export * from "../../lib/public/stream-promises.ts";

provideStreams(bun);
