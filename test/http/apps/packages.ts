/** Proxies and an upload handler that are installed from npm, unchanged: `FOLDER PACKAGE`, where the folder has its node_modules. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import express from "express";
import fastify from "fastify";
import httpProxy from "http-proxy";
import { folderToServe, packageToUse } from "./arguments.ts";
import { serveRecorded } from "./recorder.ts";

type Handler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => unknown;

const [, , , , upstream = ""] = process.argv;
const load = createRequire(join(folderToServe, "node_modules", "app.js"));

const servers: Readonly<Record<string, () => Server | Promise<Server>>> = {
  "http-proxy": () => {
    const proxy = httpProxy.createProxyServer({ target: upstream });
    return createServer((request, response) => proxy.web(request, response));
  },
  "http-proxy-middleware": () => {
    const { createProxyMiddleware } = load("http-proxy-middleware") as {
      createProxyMiddleware(options: object): Handler;
    };
    return createServer(express().use(createProxyMiddleware({ target: upstream }) as never));
  },
  "express-http-proxy": () => {
    const proxy = load("express-http-proxy") as (host: string, options: object) => Handler;
    return createServer(express().use(proxy(upstream, { parseReqBody: false }) as never));
  },
  "@fastify/http-proxy": async () => {
    const app = fastify();
    await app.register(load("@fastify/http-proxy") as never, { upstream, http: true } as never);
    await app.ready();
    return app.server;
  },
  "fast-proxy": () => {
    const make = load("fast-proxy") as (options: object) => {
      proxy(request: IncomingMessage, response: ServerResponse, url: string, options: object): void;
    };
    const { proxy } = make({ base: upstream });
    return createServer((request, response) => proxy(request, response, request.url ?? "/", {}));
  },
  multer: () => {
    const make = load("multer") as (options: object) => { single(name: string): Handler };
    const app = express();
    app.post("/", make({ dest: join(folderToServe, "uploads") }).single("file") as never, (request, response) => {
      response.json((request as unknown as { file: { path: string; size: number } }).file);
    });
    return createServer(app);
  },
};

const start = servers[packageToUse];
if (start === undefined) throw new Error(`There is no app for ${packageToUse}`);
const server = await start();
server.prependListener("request", (_request, response: ServerResponse) => response.setMaxListeners(50));
serveRecorded(server);
