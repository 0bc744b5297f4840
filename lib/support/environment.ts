/** What the environment asks of the library. Deno heeds of it what --allow-env lets it read. */
import type { Runtime } from "../runtime.ts";

/** The one switch, and its older name. */
const switches = ["SLUICE_DISABLE", "SLUICE_DISABLE_NATIVE"] as const;

/** Why the engine and the hand-over of streams are off, or undefined. */
export function switchedOff(runtime: Pick<Runtime, "env">): string | undefined {
  const name = switches.find((each) => runtime.env(each) === "1");
  return name === undefined ? undefined : `switched off by ${name}=1`;
}

/** Whether NODE_DEBUG names the section: a list of names, with `*` for anything, as for util.debuglog(). */
function isSection(list: string, section: string): boolean {
  const pattern = list.replace(/[$+.?^{}()|[\]\\]/g, String.raw`\$&`).replaceAll("*", ".*");
  return new RegExp(`^(?:${pattern.replaceAll(",", "|")})$`, "i").test(section);
}

/** Writes a line to stderr under SLUICE_DEBUG=1 or NODE_DEBUG=sluice; undefined where neither is set. */
export function debugLog(runtime: Pick<Runtime, "env">): ((text: string) => void) | undefined {
  const isOwn = runtime.env("SLUICE_DEBUG") === "1";
  if (!isOwn && !isSection(runtime.env("NODE_DEBUG") ?? "", "sluice")) return undefined;
  // As util.debuglog() begins its lines.
  const prefix = isOwn ? "sluice:" : `SLUICE ${process.pid}:`;
  return (text) => void process.stderr.write(`${prefix} ${text}\n`);
}
