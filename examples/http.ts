/** Enough HTTP/1.1 to answer with files: what the three servers beside this file have in common. */
import { Buffer } from "node:buffer";
import { constants } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { join, sep } from "node:path";

export interface Answer {
  readonly head: Uint8Array;
  /** What follows the head, if anything. Its opener closes it. */
  readonly body?: { readonly file: FileHandle; readonly bytes: number };
  /** Whether the connection ends after this answer. */
  readonly last: boolean;
}

const longestHead = 16_384;
const reasons = {
  200: "OK",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
} as const;
type Status = keyof typeof reasons;

/** Cuts what a client sends into the heads of its requests. */
export async function* requests(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of chunks) {
    text += Buffer.from(chunk).toString("latin1");
    for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 4);
    }
    if (text.length > longestHead) return;
  }
}

/** What to answer to a request for a file below `root`. */
export async function answer(request: string, root: string): Promise<Answer> {
  const [line = "", ...fields] = request.split("\r\n");
  const [method = "", target = "", version = ""] = line.split(" ");
  const headers = new Map(
    fields.map((field) => [field.split(":", 1)[0]?.toLowerCase(), field.replace(/^.*?:\s*/, "")]),
  );
  // A body is not read, so nothing after it can be understood.
  const hasBody = headers.has("transfer-encoding") || (headers.get("content-length") ?? "0") !== "0";
  const last = version !== "HTTP/1.1" || headers.get("connection")?.toLowerCase() === "close" || hasBody;
  const head = (status: Status, bytes = 0) => {
    const lines = [`HTTP/1.1 ${status} ${reasons[status]}`, `Content-Length: ${bytes}`, last && "Connection: close"];
    return Buffer.from(`${lines.filter(Boolean).join("\r\n")}\r\n\r\n`);
  };
  if (!version.startsWith("HTTP/1.")) return { head: head(400), last };
  if (method !== "GET" && method !== "HEAD") return { head: head(405), last };
  const opened = await openBelow(root, target);
  if (typeof opened === "number") return { head: head(opened), last };
  if (method === "GET") return { head: head(200, opened.bytes), body: opened, last };
  await opened.file.close();
  return { head: head(200, opened.bytes), last };
}

const failures: Readonly<Record<string, Status>> = {
  ENOENT: 404,
  ENOTDIR: 404,
  ENAMETOOLONG: 404,
  ELOOP: 404,
  EACCES: 403,
};

/** Opens a regular file below a folder, whatever dots and links its name has, or says why not. */
async function openBelow(root: string, target: string): Promise<{ file: FileHandle; bytes: number } | Status> {
  try {
    const folder = join(await realpath(root), sep);
    const named = join(folder, decodeURIComponent(target.split("?", 1)[0] ?? ""));
    const path = named.startsWith(folder) ? await realpath(named) : named;
    if (!path.startsWith(folder)) return 404;
    // A FIFO that nobody writes would keep open(2) waiting.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (stats.isFile()) return { file, bytes: stats.size };
    await file.close();
    return 404;
  } catch (error) {
    if (error instanceof URIError) return 400;
    const status = error instanceof Error && "code" in error ? failures[String(error.code)] : undefined;
    if (status === undefined) throw error;
    return status;
  }
}
