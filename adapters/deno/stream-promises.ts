/** `sluice/stream/promises` for Deno. */
import { provideStreams } from "../../lib/streams/prepare.ts";
import { deno } from "./runtime.ts";

export * from "../../lib/public/stream-promises.ts";

provideStreams(deno);
