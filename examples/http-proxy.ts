/** A reverse proxy that knows nothing of Sluice: `node --import sluice/register build/examples/http-proxy.js [UPSTREAM [PORT]]` */
import httpProxy from "http-proxy";
import { Agent, createServer, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";

const [target = "http://127.0.0.1:3000", port = "8080"] = process.argv.slice(2);
const proxy = httpProxy.createProxyServer({ target, xfwd: true, agent: new Agent({ keepAlive: true }) });

proxy.on("proxyRes", (answer, _request, response) => {
  // http-proxy pipes, and a pipe tells neither end that the other has gone.
  answer.once("close", () => answer.complete || response.destroy());
  response.once("close", () => answer.complete || answer.destroy());
});
proxy.on("error", (_error, _request, response) => {
  if (response instanceof ServerResponse && !response.headersSent) response.writeHead(502).end();
  else response.destroy();
});

const server = createServer((request, response) => proxy.web(request, response));
server.listen(Number(port), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
