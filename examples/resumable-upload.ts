/** Uploads that go on where they broke off: `node --import sluice/register build/examples/resumable-upload.js [FOLDER [PORT]]` */
import { createWriteStream, statSync } from "node:fs";
import { rename } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";

type Answer = readonly [status: number, headers?: Readonly<Record<string, number>>];
const [folder = ".", port = "8080"] = process.argv.slice(2);
const underWay = new Set<string>();
const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size;

/** Stores a body behind what is there, and publishes the file with its last byte. */
async function store(request: IncomingMessage, path: string, part: string): Promise<Answer> {
  const { "content-range": range, "content-length": length } = request.headers;
  const [, start = 0, last = 0, total = 0] = (/^bytes (\d+)-(\d+)\/(\d+)$/.exec(range ?? "") ?? []).map(Number);
  if (range !== undefined && (last >= total || last + 1 - start !== Number(length))) return [400];
  const there = sizeOf(part) ?? 0;
  if (start > 0 && start !== there) return [409, { "upload-offset": there }];
  // The file is on the disk before its name is.
  await pipeline(request, createWriteStream(part, { start, flags: start > 0 ? "r+" : "w", flush: true }));
  if (last + 1 < total) return [202, { "upload-offset": last + 1 }];
  await rename(part, path);
  return [201];
}

async function answer(request: IncomingMessage): Promise<Answer> {
  const [name] = /(?<=^\/)[\w-][\w.-]*$/.exec(request.url ?? "") ?? [];
  if (name === undefined) return [400];
  const [path, part] = [join(folder, name), join(folder, `.${name}.part`)];
  const there = sizeOf(part);
  if (request.method === "HEAD") {
    if (there !== undefined) return [204, { "upload-offset": there }];
    const length = sizeOf(path);
    return length === undefined ? [404] : [200, { "content-length": length }];
  }
  if (request.method !== "PUT") return [405];
  if (underWay.has(part)) return [409];
  underWay.add(part);
  return store(request, path, part).finally(() => underWay.delete(part));
}

// An upload may take as long as it likes, but not stand still.
const server = createServer({ requestTimeout: 0 }, (request, response) => {
  answer(request).then(
    ([status, headers]) => response.writeHead(status, headers).end(),
    (error) => (console.error(String(error)), response.destroy()),
  );
});
server.setTimeout(60_000).listen(Number(port), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});
