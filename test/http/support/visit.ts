/** One request by a client that keeps its connection, and all there is to tell of the answer. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as http from "node:http";
import { patienceMs } from "../../support/wait.ts";
import type { Entry } from "../apps/recorder.ts";
import type { App } from "./app.ts";

export interface Visit {
  /** Without its `?case=`, which {@link visit} adds. */
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The source is never closed, by intent. */
  readonly leavesOpen?: boolean | undefined;
  /** Done when the first bytes of the body are there, before any more is read. */
  readonly midway?: () => unknown;
}

/** What a client gets to know. */
export interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly bytes: number;
  readonly sha256: string;
  readonly trailers: readonly string[];
  /** The code of the error that broke the answer off. */
  readonly error: string | undefined;
  /** Whether the connection served for another request. */
  readonly connection: "kept" | "closed";
}

/** Header lines, without what the moment decides. */
export function comparable(rawHeaders: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    lines.push(/^date$/i.test(name) ? `${name}: NOW` : `${name}: ${rawHeaders[i + 1]}`);
  }
  return lines;
}

/** Makes a request, waits until the app is through with it, and makes another. */
export async function visit(
  app: App,
  id: string,
  { path, method = "GET", headers = {}, leavesOpen, midway }: Visit,
): Promise<{ readonly answer: Answer; readonly log: readonly Entry[] }> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const options = { host: "127.0.0.1", port: app.port, agent };
  try {
    const request = http.request({ ...options, method, headers, path: `${path}?case=${encodeURIComponent(id)}` }).end();
    const response = await answerTo(request);
    if (typeof response === "string")
      return { answer: { ...broken, error: response }, log: await app.finished(id, leavesOpen) };
    const hash = createHash("sha256");
    let bytes = 0;
    let error: string | undefined;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      hash.update(chunk);
    });
    if (midway !== undefined)
      response.once("data", () => {
        response.pause();
        void Promise.resolve(midway()).then(() => response.resume());
      });
    response.on("error", (reason: NodeJS.ErrnoException) => (error = reason.code ?? reason.message));
    await new Promise((resolve) => response.once("close", resolve));
    const log = await app.finished(id, leavesOpen);
    const answer: Answer = {
      status: response.statusCode ?? 0,
      headers: comparable(response.rawHeaders),
      bytes,
      sha256: hash.digest("hex"),
      trailers: response.rawTrailers,
      error,
      connection: (await isReused(options)) ? "kept" : "closed",
    };
    return { answer, log };
  } finally {
    agent.destroy();
  }
}

const broken = { status: 0, headers: [], bytes: 0, sha256: "", trailers: [], connection: "closed" } as const;

/** The response, or the code of the error that came instead. */
function answerTo(request: http.ClientRequest): Promise<http.IncomingMessage | string> {
  request.setTimeout(patienceMs, () => request.destroy(new Error(`Nothing came for ${patienceMs} ms`)));
  return new Promise((resolve) => {
    request.once("response", resolve);
    request.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

async function isReused(options: http.RequestOptions): Promise<boolean> {
  const request = http.get({ ...options, path: "/ping" });
  const response = await answerTo(request);
  if (typeof response === "string") return false;
  await once(response.resume(), "close");
  return request.reusedSocket;
}
