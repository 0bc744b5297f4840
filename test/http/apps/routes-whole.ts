/** Whole bodies, undisturbed. */
import { once } from "node:events";
import * as fs from "node:fs";
import type * as http from "node:http";
import { pipeline, type Readable } from "node:stream";
import * as promises from "node:stream/promises";
import { type Route, taken, withLength } from "./route.ts";

/** Ends the response when the source ends, where pipe() was told not to. */
const endAfter = (source: Readable, response: http.ServerResponse, tail?: string) =>
  source.on("end", () => response.end(tail));

export const whole = {
  pipe: taken((exchange) => {
    withLength(exchange);
    exchange.open().pipe(exchange.response);
  }),
  chunked: taken(({ open, response }) => open().pipe(response)),
  "unwatched-pipe": taken(({ path, response }) => fs.createReadStream(path).pipe(response)),
  pipeline: taken((exchange) => {
    withLength(exchange);
    pipeline(exchange.open(), exchange.response, (error) => exchange.note("callback", { code: error?.code }));
  }),
  "chunked-pipeline": taken(({ open, response, note }) => {
    pipeline(open(), response, (error) => note("callback", { code: error?.code }));
  }),
  "promised-pipeline": taken(async (exchange) => {
    withLength(exchange);
    await promises.pipeline(exchange.open(), exchange.response).then(
      () => exchange.note("resolved"),
      (error: NodeJS.ErrnoException) => exchange.note("rejected", { code: error.code }),
    );
  }),
  "pipeline-without-end": taken(async ({ open, response, note }) => {
    await promises.pipeline(open(), response, { end: false });
    note("resolved", { ended: response.writableEnded });
    response.end("the tail");
  }),
  trailers: taken(({ open, response }) => {
    response.writeHead(200, { trailer: "x-checksum" });
    const source = open();
    source.on("end", () => response.addTrailers({ "x-checksum": "42" }));
    source.pipe(response);
  }),
  "write-before": taken(({ open, response }) => {
    response.write("the head, ");
    open().pipe(response);
  }),
  "write-before-with-length": taken(({ open, response, size }) => {
    response.setHeader("content-length", size + 10);
    response.write("the head, ");
    open().pipe(response);
  }),
  "flushed-headers": taken((exchange) => {
    withLength(exchange);
    exchange.response.flushHeaders();
    exchange.open().pipe(exchange.response);
  }),
  "without-end": taken(({ open, response }) => {
    endAfter(open(), response, ", the tail").pipe(response, { end: false });
  }),
  "piped-later": taken(async (exchange) => {
    const source = exchange.open();
    await once(source, "ready");
    setImmediate(() => source.pipe(exchange.response));
  }),
  "headers-at-open": taken((exchange) => {
    const source = exchange.open();
    source.on("open", () => exchange.response.writeHead(203, { "x-late": "yes", "content-length": exchange.size }));
    source.pipe(exchange.response);
  }),
  "headers-at-ready": taken(({ open, response, size }) => {
    const source = open();
    source.on("ready", () => response.setHeader("content-length", size));
    source.pipe(response);
  }),
  "piped-again": taken(({ open, response }) => {
    const source = open();
    source.pipe(response);
    source.unpipe(response);
    source.pipe(response);
  }),
  "paused-at-open": {
    taken: undefined,
    answer: ({ open, response }) => {
      const source = open();
      source.on("open", () => {
        source.pause();
        setImmediate(() => source.resume());
      });
      source.pipe(response);
    },
  },
  closing: taken((exchange) => {
    exchange.response.setHeader("connection", "close");
    exchange.open().pipe(exchange.response);
  }),
} as const satisfies Record<string, Route>;
