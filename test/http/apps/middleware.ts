/** Middleware for node:http without a framework: sirv or serve-static, by the name of the package. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import serveStatic from "serve-static";
import sirv from "sirv";
import { folderToServe, packageToUse } from "./arguments.ts";
import { serveRecorded } from "./recorder.ts";

type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

const middlewares: Readonly<Record<string, () => Middleware>> = {
  sirv: () => sirv(folderToServe, { etag: true }),
  "serve-static": () => serveStatic(folderToServe),
};

const serve = middlewares[packageToUse]?.();
if (serve === undefined) throw new Error(`There is no middleware ${packageToUse}`);
serveRecorded(
  createServer((request, response) => {
    // The folder is at the root: these know no prefix.
    request.url = request.url?.replace(/^\/static/, "") ?? "/";
    serve(request, response, () => {
      response.statusCode = request.url?.startsWith("/ping") ? 200 : 404;
      response.end("pong");
    });
  }),
);
