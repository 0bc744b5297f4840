/** How a connection came to its end, for the log and the metrics. */
import { formatJson } from "../screen.ts";
import { type ProxyReport, TransferError } from "sluice";
import { codeOf } from "sluice/internal";

/**
 * "ended", "idle", "timeout", "limit": as `proxy()` reports. "client", "upstream": its connection failed. "drained": it
 * was broken off at the end. "no-upstream": none could be connected to. "bad-head", "untrusted": by the PROXY protocol.
 * "full": there were too many already. "failed": for no fault of theirs.
 */
export type End =
  | ProxyReport["end"]
  | "client"
  | "upstream"
  | "drained"
  | "no-upstream"
  | "bad-head"
  | "untrusted"
  | "full"
  | "failed";

/** A connection that is over. */
export interface Ended {
  readonly time: Date;
  /** Its address and port, as the front told where one did; undefined for Unix sockets. */
  readonly client: string | undefined;
  /** Undefined where none was connected to. */
  readonly upstream: string | undefined;
  /** From the client to the upstream. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly durationMs: number;
  readonly end: End;
  /** Of what failed. */
  readonly code: string | undefined;
}

export type Result = Pick<Ended, "bytesUp" | "bytesDown" | "end" | "code">;

export function resultOf({ aToB, bToA, end }: ProxyReport): Result {
  return { bytesUp: aToB.bytes, bytesDown: bToA.bytes, end, code: undefined };
}

const failedSides = { a: "client", b: "upstream" } as const;

/** The result of a pair that `proxy()` has rejected. */
export function failureOf(error: unknown): Result {
  const flows = error instanceof TransferError ? error.proxy : undefined;
  const code = codeOf(error) ?? "ERR_SLUICE_FAILED";
  const side = flows?.failed === undefined ? "failed" : failedSides[flows.failed];
  return {
    bytesUp: flows?.aToB.bytes ?? 0,
    bytesDown: flows?.bToA.bytes ?? 0,
    end: code === "ABORT_ERR" ? "drained" : side,
    code: code === "ABORT_ERR" ? undefined : code,
  };
}

export type LogFormat = "line" | "json" | "none";

const formatters: Readonly<Record<Exclude<LogFormat, "none">, (ended: Ended) => string>> = {
  line: ({ time, client, upstream, bytesUp, bytesDown, durationMs, end, code }) =>
    `${time.toISOString()} ${client ?? "-"} ${upstream ?? "-"} ${bytesUp} ${bytesDown} ${durationMs.toFixed(1)} ms ${end}${code === undefined ? "" : ` ${code}`}`,
  json: (ended) => formatJson(ended),
};

/** The line for a connection that is over; undefined where none is wanted. */
export function formatEnded(format: LogFormat, ended: Ended): string | undefined {
  return format === "none" ? undefined : formatters[format](ended);
}
