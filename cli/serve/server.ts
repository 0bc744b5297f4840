/** A server in this process, with what observes it. */
import process from "node:process";
import { serve } from "sluice/fetch";
import { listening } from "../service/listening.ts";
import { createAccessLog, formatJson, formatLine } from "./access-log.ts";
import { tellBodyError, withManners } from "./manners.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { observeHandler } from "./observe-handler.ts";
import { observeNodeHttp } from "./observe-node-http.ts";
import { joinObservers } from "./observer.ts";
import { createSite, type SiteOptions } from "./site.ts";

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
  readonly metrics: boolean;
}

const formats = { line: formatLine, json: formatJson } as const;

export interface RunningServer {
  readonly port: number;
  /** Undefined without metrics. */
  readonly metrics: Metrics | undefined;
  /** Takes no more connections, and waits for the answers in flight, at most `shutdownMs`. */
  close(): Promise<void>;
}

/** How long answers in flight are waited for. Milliseconds. */
export const shutdownMs = 10_000;

/** Bun's node:http has no diagnostics channel. */
const observe = process.versions["bun"] === undefined ? observeNodeHttp : observeHandler;

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host, port, reusePort, cors, log, keepAliveTimeoutMs } = options;
  const metrics = options.metrics ? createMetrics() : undefined;
  const accessLog = log === "none" ? undefined : createAccessLog(formats[log]);
  const handler = withManners(createSite(options), { cors });
  const observers = [metrics, accessLog].filter((observer) => observer !== undefined);
  const observation = observers.length === 0 ? undefined : observe(handler, joinObservers(observers));
  const fetch = observation?.handler ?? handler;
  const server = await listening(
    options,
    serve({ host, port, reusePort, keepAliveTimeoutMs, fetch, onError: tellBodyError }),
  );
  return {
    port: server.port,
    metrics,
    async close() {
      await server.close({ timeoutMs: shutdownMs });
      observation?.stop();
      metrics?.stop();
      accessLog?.flush();
    },
  };
}
