/** Bare sockets: connections get the file that their first line names; `proxy` gets what another connection says. */
import { createReadStream } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { folderToServe } from "./arguments.ts";
import { serveRecorded } from "./recorder.ts";

const files = createServer((socket) => {
  socket.once("data", (line) => createReadStream(join(folderToServe, line.toString().trim())).pipe(socket));
}).listen(0, "127.0.0.1");

const portOf = (server: typeof files) => (server.address() as AddressInfo).port;

const proxy = createServer((socket) => {
  const upstream = connect(portOf(files), "127.0.0.1");
  socket.pipe(upstream);
  upstream.pipe(socket);
}).listen(0, "127.0.0.1");

serveRecorded(createHttpServer(), {
  ports: () => ({ files: portOf(files), proxy: portOf(proxy) }),
  closeOthers: () => {
    files.close();
    proxy.close();
  },
});
