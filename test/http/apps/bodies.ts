/**
 * Bodies that come from a connection: `/upload/WAY/FILE` into a file of the folder, `/proxy/WAY?port=` to a server behind, by
 * the ways of uploads.ts and proxies.ts.
 */
import { readFileSync } from "node:fs";
import * as http from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { folderToServe, packageToUse } from "./arguments.ts";
import { act, isHeld, type Way } from "./exchange.ts";
import { proxies } from "./proxies.ts";
import { caseOf, note, serveRecorded } from "./recorder.ts";
import { uploads } from "./uploads.ts";

const families: Readonly<Record<string, Readonly<Record<string, Way>>>> = { upload: uploads, proxy: proxies };

class OwnRequest extends http.IncomingMessage {}
class OwnResponse extends http.ServerResponse {}

const own = packageToUse === "own-classes" ? { IncomingMessage: OwnRequest, ServerResponse: OwnResponse } : {};

const server = http.createServer({ ...own, connectionsCheckingInterval: 50 });

server.on("request", (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
  const [, family = "", way = "", file = "none"] = pathname.split("/");
  if (family === "ping") return void response.end("pong");
  const go = families[family]?.[way];
  if (go === undefined) throw new Error(`There is no ${family} by ${way}`);
  const id = caseOf(request);
  request.on("end", () => note(id, "body came", { complete: request.complete }));
  const { socket } = request;
  response.on("close", () => {
    note(id, "counted", { bytesRead: socket.bytesRead, bytesWritten: socket.bytesWritten });
  });
  go({
    id,
    request,
    response,
    path: file.startsWith("=") ? decodeURIComponent(file.slice(1)) : join(folderToServe, file),
    port: Number(searchParams.get("port") ?? 0),
    note: (event, state) => note(id, event, state),
  });
});

/** Another protocol, through to the server behind, as ws proxies do. */
function tunnel(request: http.IncomingMessage, client: Duplex, head: Buffer): void {
  const { searchParams } = new URL(request.url?.replace(/^[^/]*/, "") ?? "/", "http://localhost");
  const behind = connect(Number(searchParams.get("port") ?? request.url?.split(":")[1]), "127.0.0.1", () => {
    client.write("HTTP/1.1 200 OK\r\n\r\n");
    behind.write(head);
    client.pipe(behind);
    behind.pipe(client);
  });
  for (const socket of [client, behind]) socket.on("error", () => undefined);
}
server.on("connect", tunnel).on("upgrade", tunnel);

const commands = {
  act,
  isHeld,
  /** How long a request may take to come. */
  requestTimeout: (ms: number) => {
    server.requestTimeout = ms;
    // Of two the longer is taken for the request's.
    server.headersTimeout = Math.min(ms, 60_000);
  },
  peakMemory: () => Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024,
  close: () => void server.close(),
  closeIdle: () => server.closeIdleConnections(),
};

serveRecorded(server, commands);
