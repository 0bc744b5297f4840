/** Fastify 5: @fastify/static and streams as replies. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import fastify, { type FastifyRequest } from "fastify";
import { folderToServe } from "./arguments.ts";
import { serveRecorded } from "./recorder.ts";

const app = fastify();
const nameOf = (request: FastifyRequest) => (request.params as { name: string }).name;

app.get("/ping", (_request, reply) => reply.send("pong"));
await app.register(fastifyStatic, { root: folderToServe, prefix: "/static/" });
app.get("/send-file/:name", (request, reply) => reply.sendFile(nameOf(request)));
app.get("/stream/:name", (request, reply) =>
  reply.type("application/octet-stream").send(createReadStream(join(folderToServe, nameOf(request)))),
);
/** A request that never was on a wire: its response is a ServerResponse without a socket. */
app.get("/inject/:name", (request, reply) => {
  void app.inject(`/stream/${nameOf(request)}`).then(({ statusCode, rawPayload }) => {
    reply.send({ statusCode, length: rawPayload.length });
  });
});
await app.ready();
serveRecorded(app.server);
