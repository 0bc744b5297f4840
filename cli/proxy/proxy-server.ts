/** A proxy in this process, with what observes it. */
import { createServer } from "node:net";
import { createLineLog } from "../output.ts";
import { listen } from "../service/listening.ts";
import type { Running } from "../service/program.ts";
import { keepAlive, Upstreams } from "./upstreams.ts";
import { formatEnded } from "./ended.ts";
import { createConnectionMetrics, type ConnectionObserver } from "./connection-metrics.ts";
import { Relay, type RelayOptions } from "./relay.ts";

export async function startProxy(options: RelayOptions): Promise<Running<RelayOptions>> {
  const log = createLineLog(options.logFile);
  const upstreams = new Upstreams(options.upstreams, options.policy, options.connectTimeoutMs, (upstream, code) =>
    metrics?.connectFailed(upstream, code),
  );
  const metrics = options.metrics ? createConnectionMetrics(upstreams.names) : undefined;
  const observer: ConnectionObserver = {
    accepted: () => metrics?.accepted(),
    connected: (upstream, connectMs) => metrics?.connected(upstream, connectMs),
    connectFailed: (upstream, code) => metrics?.connectFailed(upstream, code),
    moved: (upstream, bytesUp, bytesDown) => metrics?.moved(upstream, bytesUp, bytesDown),
    ended(ended) {
      metrics?.ended(ended);
      const line = formatEnded(options.log, ended);
      if (line !== undefined) log.write(line);
    },
  };
  const relay = new Relay(options, upstreams, observer);
  // What comes while the upstream is connected to stays with the kernel.
  const server = createServer({ ...keepAlive, allowHalfOpen: true, pauseOnConnect: true }, (client) =>
    relay.take(client),
  );
  const port = await listen(server, options.listen, "port" in options.listen ? options : undefined);
  return {
    port,
    metrics,
    reload: () => log.reopen(),
    async close() {
      server.close();
      await relay.drain(options.drainMs);
      metrics?.stop();
      log.flush();
    },
  };
}
