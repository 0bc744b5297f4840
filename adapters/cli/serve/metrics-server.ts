/** Answers /metrics on an address of its own, so that what the public may ask says nothing about the server. */
import { createServer } from "node:http";
import { type Destination, formatDestination } from "../arguments.ts";
import { listen } from "./listening.ts";
import { unobserved } from "./observe-node-http.ts";
import { metricsType, renderMetrics, type Snapshot } from "./metrics.ts";

export interface MetricsServer {
  readonly url: string;
  close(): void;
}

export async function serveMetrics(
  address: Destination,
  collect: () => Promise<readonly Snapshot[]>,
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.url !== "/metrics") return void response.writeHead(404).end("Not Found\n");
    collect()
      .then(renderMetrics)
      .then((text) => response.writeHead(200, { "content-type": metricsType }).end(text))
      .catch((error: unknown) => response.writeHead(500).end(`${String(error)}\n`));
  });
  unobserved.add(server);
  const port = await listen(server, address);
  return {
    url: `http://${formatDestination({ host: address.host, port })}/metrics`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
