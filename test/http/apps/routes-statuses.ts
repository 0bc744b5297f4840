/** Answers without the whole of the file for a body. */
import { pipeline } from "node:stream";
import { type Route, taken, untouched, withLength } from "./route.ts";

export const statuses = {
  "not-found": untouched(({ open, path, response }) => {
    const source = open({}, `${path}.missing`);
    source.on("error", ({ message }) => {
      response.statusCode = 404;
      response.end(message.replace(/'.*'/, "FILE"));
    });
    source.pipe(response);
  }),
  "pipeline-not-found": untouched(({ open, path, response, note }) => {
    pipeline(open({}, `${path}.missing`), response, (error) =>
      note("callback", { code: error?.code, headersSent: response.headersSent }),
    );
  }),
  "error-page": taken((exchange) => {
    exchange.response.statusCode = 500;
    withLength(exchange);
    exchange.open().pipe(exchange.response);
  }),
  "changed-mind-at-open": untouched(({ open, response }) => {
    const source = open();
    source.on("open", () => {
      source.unpipe(response);
      response.statusCode = 403;
      response.end("no");
      source.destroy();
    });
    source.pipe(response);
  }),
  "no-content": untouched(({ open, response }) => {
    response.statusCode = 204;
    open().pipe(response);
  }),
  "not-modified": untouched(({ open, response }) => {
    response.statusCode = 304;
    open().pipe(response);
  }),
  "length-too-long": taken(({ open, response, size }) => {
    response.writeHead(200, { "content-length": size + 1, connection: "close" });
    const source = open();
    source.on("end", () => response.destroy());
    source.pipe(response, { end: false });
  }),
} as const satisfies Record<string, Route>;
