/** One line a request on stdout, for people or as JSON. */
import { createLineLog } from "../service/line-log.ts";
import type { Access, Observer } from "./observer.ts";

export type Format = (access: Access) => string;

export const formatLine: Format = ({ time, address, method, url, status, bytes, durationMs, aborted }) =>
  `${time.toISOString()} ${address ?? "-"} ${method} ${url} ${status} ${bytes ?? "-"} ${durationMs.toFixed(1)} ms${aborted ? " aborted" : ""}`;

export const formatJson: Format = (access) =>
  JSON.stringify(access, (_key, field: unknown) => (field === undefined ? null : field));

export interface AccessLog extends Observer {
  /** Writes what is still held back. */
  flush(): void;
}

export function createAccessLog(format: Format): AccessLog {
  const log = createLineLog();
  return { begin: () => undefined, end: (access) => log.write(format(access)), flush: log.flush };
}
