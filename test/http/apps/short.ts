/**
 * Files that somebody cuts off between the promise of their length and their opening: `/WAY/LEFT/START/TOTAL` promises
 * the bytes from START to TOTAL of a file that then has LEFT.
 */
import { createReadStream, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { folderToServe } from "./arguments.ts";
import { serveRecorded } from "./recorder.ts";

interface Cut {
  readonly response: ServerResponse;
  readonly path: string;
  readonly start: number;
  /** The last byte that was promised. */
  readonly end: number;
}

const footer = "the footer";

const ways: Readonly<Record<string, (cut: Cut) => unknown>> = {
  pipe: ({ response, path, start, end }) => createReadStream(path, { start, end }).pipe(response),
  pipeline: ({ response, path, start, end }) => pipeline(createReadStream(path, { start, end }), response, () => {}),
  "no-end": ({ response, path, start }) => createReadStream(path, { start }).pipe(response),
  "no-end-pipeline": ({ response, path, start }) => pipeline(createReadStream(path, { start }), response, () => {}),
  written: ({ response, path, start }) => {
    response.setHeader("content-length", Number(response.getHeader("content-length")) + 3);
    response.write("AAA");
    createReadStream(path, { start }).pipe(response);
  },
  flushed: ({ response, path, start }) => {
    response.flushHeaders();
    createReadStream(path, { start }).pipe(response);
  },
  "with-head": ({ response, path, start, end }) => {
    response.writeHead(200);
    createReadStream(path, { start, end }).pipe(response);
  },
  late: async ({ response, path, start }) => {
    await sleep(20);
    createReadStream(path, { start }).pipe(response);
  },
  footer: ({ response, path, start, end }) => {
    response.setHeader("content-length", Number(response.getHeader("content-length")) + footer.length);
    const source = createReadStream(path, { start, end });
    source.on("end", () => response.end(footer)).pipe(response, { end: false });
  },
  halves: ({ response, path, start, end }) => {
    const middle = Math.floor((start + end) / 2);
    const source = createReadStream(path, { start, end: middle });
    source.on("end", () => createReadStream(path, { start: middle + 1, end }).pipe(response));
    source.pipe(response, { end: false });
  },
  // Node's own way.
  watched: ({ response, path, start, end }) =>
    createReadStream(path, { start, end })
      .on("data", () => {})
      .pipe(response),
  "by-hand": ({ response, path, start, end }) => {
    const source = createReadStream(path, { start, end });
    response.write = response.write.bind(response);
    source.pipe(response);
  },
};

let files = 0;

const server = createServer((request, response) => {
  const [, way = "", left, start, total] = request.url?.split("/") ?? [];
  if (way === "slow") return void setTimeout(() => response.end("slow"), 100);
  if (way === "next" || way === "ping") return void response.end("NEXT");
  const path = join(folderToServe, `short-${files++}`);
  writeFileSync(path, Buffer.alloc(Number(total), "A"));
  response.on("close", () => rmSync(path));
  response.setHeader("content-length", Number(total) - Number(start));
  truncateSync(path, Number(left));
  void ways[way]?.({ response, path, start: Number(start), end: Number(total) - 1 });
});

serveRecorded(server);
