/** Answers /metrics on an address of its own, so that what the public may ask says nothing about the server. */
import { createServer } from "node:http";
import { formatAddress, type HostAddress } from "../address.ts";
import { listen } from "./listening.ts";
import { metricsType, renderMetrics, type Snapshot } from "./snapshot.ts";
import { unobserved } from "./unobserved.ts";

export interface MetricsServer {
  readonly url: string;
  close(): void;
}

export async function serveMetrics(
  address: HostAddress,
  collect: () => Promise<readonly Snapshot[]>,
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.url !== "/metrics") return void response.writeHead(404).end("Not Found\n");
    collect()
      .then(renderMetrics)
      .then((text) => response.writeHead(200, { "content-type": metricsType }).end(text))
      .catch((error: unknown) => response.writeHead(500).end(`${String(error)}\n`));
  });
  // A client that has sent all may end its side and wait.
  Object.assign(server, { httpAllowHalfOpen: true });
  unobserved.add(server);
  const port = await listen(server, address);
  return {
    url: `http://${formatAddress({ host: address.host, port })}/metrics`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
