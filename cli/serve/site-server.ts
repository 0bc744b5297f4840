/** A server in this process, with what observes it. */
import { serve } from "sluice/fetch";
import { createLineLog } from "../output.ts";
import { formatJson } from "../screen.ts";
import { listening } from "../service/listening.ts";
import { tellBodyError, withHeaders } from "./headers.ts";
import { createRequestMetrics, type RequestMetrics } from "./request-metrics.ts";
import { type Access, joinObservers, type RequestObserver, observeRequests } from "./requests.ts";
import { createSite, type SiteOptions } from "./site.ts";

type Format = (access: Access) => string;

const formatLine: Format = ({ time, address, method, url, status, bytes, durationMs, aborted }) =>
  `${time.toISOString()} ${address ?? "-"} ${method} ${url} ${status} ${bytes ?? "-"} ${durationMs.toFixed(1)} ms${aborted ? " aborted" : ""}`;

/** One line a request on stdout. */
interface AccessLog extends RequestObserver {
  /** Writes what is still held back. */
  flush(): void;
  reopen(): void;
}

function createAccessLog(format: Format, path: string | undefined): AccessLog {
  const log = createLineLog(path);
  return { begin: () => undefined, end: (access) => log.write(format(access)), flush: log.flush, reopen: log.reopen };
}

const formats: Readonly<Record<"line" | "json", Format>> = { line: formatLine, json: (access) => formatJson(access) };

/** Data alone: it is sent to workers. */
export interface ServerOptions extends SiteOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Let other processes listen on the same port. */
  readonly reusePort: boolean;
  readonly cors: boolean;
  /** 0: for ever. */
  readonly keepAliveTimeoutMs: number;
  readonly log: keyof typeof formats | "none";
  /** Undefined: standard output. */
  readonly logFile: string | undefined;
  readonly metrics: boolean;
  /** What is served, as it was asked for: it may be a link that leads elsewhere by now. */
  readonly folder: string;
}

interface RunningServer {
  readonly port: number;
  /** Undefined without metrics. */
  readonly metrics: RequestMetrics | undefined;
  /** Opens the log anew, and serves what the folder is now. */
  reload(options: ServerOptions): void;
  /** Takes no more connections, and waits for the answers in flight, at most `shutdownMs`. */
  close(): Promise<void>;
}

/** How long answers in flight are waited for. Milliseconds. */
export const shutdownMs = 10_000;

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host, port, reusePort, cors, log, keepAliveTimeoutMs } = options;
  const metrics = options.metrics ? createRequestMetrics() : undefined;
  const accessLog = log === "none" ? undefined : createAccessLog(formats[log], options.logFile);
  let site = createSite(options);
  const fetch = withHeaders((request) => site(request), { cors });
  const observers = [metrics, accessLog].filter((observer) => observer !== undefined);
  const stopObserving = observers.length === 0 ? undefined : observeRequests(joinObservers(observers));
  const server = await listening(
    options,
    serve({ host, port, reusePort, keepAliveTimeoutMs, fetch, onError: tellBodyError }),
  );
  return {
    port: server.port,
    metrics,
    reload(now) {
      site = createSite(now);
      accessLog?.reopen();
    },
    async close() {
      await server.close({ timeoutMs: shutdownMs });
      stopObserving?.();
      metrics?.stop();
      accessLog?.flush();
    },
  };
}
