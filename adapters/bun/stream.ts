/** `sluice/stream` for Bun. */
import { provideStreams } from "../../lib/streams/prepare.ts";
import { bun } from "./runtime.ts";

export * from "../../lib/public/stream.ts";

provideStreams(bun);
