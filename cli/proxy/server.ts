/** A proxy in this process, with what observes it. */
import { createServer } from "node:net";
import { createLineLog } from "../service/line-log.ts";
import { listen } from "../service/listening.ts";
import type { Running } from "../service/program.ts";
import { keepAlive } from "./dial.ts";
import { formatEnded } from "./log.ts";
import { createMetrics, type Observer } from "./metrics.ts";
import type { RelayOptions } from "./options.ts";
import { Relay } from "./relay.ts";
import { Upstreams } from "./upstreams.ts";

export async function startProxy(options: RelayOptions): Promise<Running> {
  const log = createLineLog();
  const upstreams = new Upstreams(options.upstreams, options.policy, options.connectTimeoutMs, (upstream, code) =>
    metrics?.connectFailed(upstream, code),
  );
  const metrics = options.metrics ? createMetrics(upstreams.names) : undefined;
  const observer: Observer = {
    accepted: () => metrics?.accepted(),
    connected: (upstream) => metrics?.connected(upstream),
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
    async close() {
      server.close();
      await relay.drain(options.drainMs);
      metrics?.stop();
      log.flush();
    },
  };
}
