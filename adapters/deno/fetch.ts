/** `sluice/fetch` for Deno. */
import { provideStreams } from "../../lib/streams/prepare.ts";
import { deno } from "./runtime.ts";

export * from "../../lib/public/fetch.ts";

provideStreams(deno);
