/** The world `fallback`: sluice:transfer/transfer on nothing but WASI. */
import type * as Transfer from "sluice:transfer/transfer@0.1.0";
import { capabilitiesRecord, explanationRecord, guestDialect, optionsOf, reportRecord } from "#core/wasi/component.js";
import { copyFile } from "./copy.ts";
import { answering } from "./errors.ts";
import { engine, explain, strategiesHere, transfer as move } from "./transfers.ts";

export const transfer: typeof Transfer = {
  transfer: (source, target, options) =>
    answering(() => reportRecord(move(source, target, optionsOf(options)), guestDialect)),
  copyFile: (source, target, options) => answering(() => reportRecord(copyFile(source, target, options), guestDialect)),
  explain: (source, target, options) =>
    answering(() => explanationRecord(explain(source, target, optionsOf(options)), guestDialect)),
  capabilities: () => capabilitiesRecord(engine, strategiesHere()),
};
