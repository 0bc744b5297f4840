/** A folder of files by Fastify, as its manual has it. It knows nothing of Sluice. */
import fastifyStatic from "@fastify/static";
import fastify from "fastify";
import { announce, folder, keepAliveMs } from "./app.ts";

const app = fastify({ keepAliveTimeout: keepAliveMs });
await app.register(fastifyStatic, { root: folder });
await app.listen({ port: 0, host: "127.0.0.1" });
announce(app.server.address());
