/** One line a connection. */
import type { Ended } from "./ended.ts";

export type LogFormat = "line" | "json" | "none";

const formatters: Readonly<Record<Exclude<LogFormat, "none">, (ended: Ended) => string>> = {
  line: ({ time, client, upstream, bytesUp, bytesDown, durationMs, end, code }) =>
    `${time.toISOString()} ${client ?? "-"} ${upstream ?? "-"} ${bytesUp} ${bytesDown} ${durationMs.toFixed(1)} ms ${end}${code === undefined ? "" : ` ${code}`}`,
  json: (ended) => JSON.stringify(ended, (_key, field: unknown) => (field === undefined ? null : field)),
};

/** The line for a connection that is over; undefined where none is wanted. */
export function formatEnded(format: LogFormat, ended: Ended): string | undefined {
  return format === "none" ? undefined : formatters[format](ended);
}
