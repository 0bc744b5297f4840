/** A folder of files by a framework, as its manual has it. It knows nothing of Sluice: node file-server.js FRAMEWORK FOLDER */
import { createServer, type Server } from "node:http";

const [framework = "", folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("No folder to serve was given");

const [port, host] = [0, "127.0.0.1"] as const;
/** As long as nginx keeps a connection. */
const keepAliveTimeout = 75_000;

/** Only the one that is measured is loaded. */
const frameworks: Readonly<Record<string, () => Promise<Server>>> = {
  async express() {
    const { default: express } = await import("express");
    return express().use(express.static(folder)).listen(port, host);
  },
  async fastify() {
    const { default: fastify } = await import("fastify");
    const { default: fastifyStatic } = await import("@fastify/static");
    const app = fastify({ keepAliveTimeout });
    await app.register(fastifyStatic, { root: folder });
    await app.listen({ port, host });
    return app.server;
  },
  async sirv() {
    const { default: sirv } = await import("sirv");
    const serve = sirv(folder);
    return createServer((request, response) => serve(request, response)).listen(port, host);
  },
};

const server = await frameworks[framework]?.();
if (server === undefined) throw new Error(`There is no framework ${framework}`);
server.keepAliveTimeout = keepAliveTimeout;
function announce(): void {
  const address = server?.address();
  if (address !== null && typeof address === "object") console.log(`http://${host}:${address.port}`);
}
if (server.listening) announce();
else server.once("listening", announce);
