/** http-proxy before a WebSocket server: node websockets.js FOLDER UPSTREAM_PORT */
import { createServer } from "node:http";
import type { Socket } from "node:net";
import httpProxy from "http-proxy";
import { packageToUse as upstreamPort } from "./arguments.ts";
import { caseOf, note, serveRecorded } from "./recorder.ts";

const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${upstreamPort}`, ws: true });
const server = createServer();

/** Puts down how a connection went, and what it had read and written in the end. */
function follow(name: string, which: string, socket: Socket): void {
  for (const event of ["end", "finish", "error"] as const) socket.on(event, () => note(name, `${which} ${event}`));
  socket.on("close", (hadError) => {
    const { bytesRead, bytesWritten } = socket;
    note(name, `${which} close`, { hadError, bytesRead, bytesWritten });
  });
}

/** Longer than a connection takes that ends in good order. */
const graceMs = 2000;

/** http-proxy forgets an upstream that it held back when its client broke off, and the reverse. */
function bind(one: Socket, other: Socket): void {
  one.on("close", () => setTimeout(() => other.destroy(), graceMs).unref());
  other.on("close", () => setTimeout(() => one.destroy(), graceMs).unref());
}

const names = new WeakMap<object, string>();

server.on("upgrade", (request, socket: Socket, head) => {
  const name = caseOf(request);
  follow(name, "client", socket);
  names.set(request, name);
  proxy.ws(request, socket, head);
});
proxy.on("proxyReqWs", (upgrading, request, client) => {
  upgrading.on("upgrade", (_response, upstream: Socket) => {
    follow(names.get(request) ?? "", "upstream", upstream);
    bind(client, upstream);
  });
});
proxy.on("error", () => {
  // An upstream that has gone; the client's socket is ended by http-proxy itself.
});

serveRecorded(server);
