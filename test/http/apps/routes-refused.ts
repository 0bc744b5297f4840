/** What the preload has to leave to Node. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as fs from "node:fs";
import { PassThrough, pipeline, Transform, Writable } from "node:stream";
import { createGzip } from "node:zlib";
import { FileStream, type Route, untouched, withLength } from "./route.ts";

/** Counts and hashes what it is given. */
function sink(done: (state: Record<string, unknown>) => void): Writable {
  const hash = createHash("sha256");
  let bytes = 0;
  return new Writable({
    write(chunk: Buffer, _encoding, callback) {
      bytes += chunk.length;
      hash.update(chunk);
      callback();
    },
    final(callback) {
      done({ bytes, sha256: hash.digest("hex") });
      callback();
    },
  });
}

class OwnRead extends FileStream {
  override _read(size: number): void {
    super._read(Math.min(size, 10_000));
  }
}

export const refused = {
  strict: untouched((exchange) => {
    exchange.response.strictContentLength = true;
    withLength(exchange);
    exchange.open().pipe(exchange.response);
  }),
  encoding: untouched(({ open, response }) => open({ encoding: "base64" }).pipe(response)),
  "set-encoding": untouched(({ open, response }) => open().setEncoding("hex").pipe(response)),
  "data-listener": untouched((exchange) => {
    let bytes = 0;
    const source = exchange.open();
    source.on("data", (chunk) => (bytes += chunk.length));
    source.on("end", () => exchange.note("data", { bytes }));
    source.pipe(exchange.response);
  }),
  "data-listener-at-open": untouched((exchange) => {
    let bytes = 0;
    const source = exchange.open();
    source.on("open", () => source.on("data", (chunk) => (bytes += chunk.length)));
    source.on("end", () => exchange.note("data", { bytes }));
    source.pipe(exchange.response);
  }),
  "two-targets": untouched(({ open, response, note }) => {
    const source = open();
    source.pipe(sink((state) => note("second target", state)));
    source.pipe(response);
  }),
  "two-targets-at-open": untouched(({ open, response, note }) => {
    const source = open();
    source.on("open", () => source.pipe(sink((state) => note("second target", state))));
    source.pipe(response);
  }),
  gzip: untouched(({ open, response }) =>
    open()
      .pipe(createGzip({ level: 1 }))
      .pipe(response),
  ),
  "pass-through": untouched(({ open, response }) => open().pipe(new PassThrough()).pipe(response)),
  "pipeline-transform": untouched(({ open, response, note }) => {
    const identity = new Transform({ transform: (chunk, _encoding, callback) => callback(null, chunk) });
    pipeline(open(), identity, response, (error) => note("callback", { code: error?.code }));
  }),
  "read-before": untouched(({ open, response }) => {
    const source = open();
    source.once("readable", () => {
      response.write((source.read(10) as Buffer | null)?.toString("hex") ?? "nothing");
      source.pipe(response);
    });
  }),
  "replaced-write": untouched(({ open, response, note }) => {
    let bytes = 0;
    const write = response.write.bind(response) as (chunk: Buffer) => boolean;
    response.write = (chunk: Buffer) => {
      bytes += chunk.length;
      return write(chunk);
    };
    response.on("finish", () => note("written", { bytes }));
    open().pipe(response);
  }),
  "own-read": untouched(({ path, response }) => new OwnRead(path).pipe(response)),
  "own-filesystem": untouched(({ path, response, note }) => {
    let reads = 0;
    const read = (...args: Parameters<typeof fs.read>) => {
      reads++;
      fs.read(...args);
    };
    const { open, close } = fs;
    const source = fs.createReadStream(path, { fs: { open, close, read } } as never);
    source.on("end", () => note("read", { some: reads > 0 }));
    source.pipe(response);
  }),
  "async-iterator": untouched(async ({ open, response }) => {
    for await (const chunk of open()) if (!response.write(chunk)) await once(response, "drain");
    response.end();
  }),
} as const satisfies Record<string, Route>;
