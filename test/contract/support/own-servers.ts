/** Servers that know nothing of Sluice: Bun.serve, Deno.serve, and a plain one of node:http. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import type { FetchHandler } from "sluice/fetch";

export interface Running extends AsyncDisposable {
  readonly port: number;
}

/** What Bun and Deno have of their own, as far as it is used here. */
const { Bun, Deno } = globalThis as {
  readonly Bun?: {
    serve(options: { port: number; hostname: string; fetch: FetchHandler }): {
      port: number;
      stop(now: boolean): Promise<void>;
    };
  };
  readonly Deno?: {
    serve(
      options: { port: number; hostname: string; onListen: () => void },
      fetch: FetchHandler,
    ): { addr: { port: number }; shutdown(): Promise<void> };
  };
};

/** Serves by the runtime's own server: on Node a plain one of node:http. */
export async function startOwn(fetch: FetchHandler): Promise<Running> {
  const hostname = "127.0.0.1";
  if (Bun !== undefined) {
    const server = Bun.serve({ port: 0, hostname, fetch });
    return { port: server.port, [Symbol.asyncDispose]: () => server.stop(true) };
  }
  if (Deno !== undefined) {
    const server = Deno.serve({ port: 0, hostname, onListen: () => undefined }, fetch);
    return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
  }
  const server = createServer((message, response) => {
    const headers = new Headers(message.headers as Record<string, string>);
    const abort = new AbortController();
    response.once("close", () => abort.abort());
    const asked = new Request(`http://${hostname}${message.url}`, {
      method: message.method ?? "GET",
      headers,
      signal: abort.signal,
      body: message.headers["content-length"] === undefined ? null : (Readable.toWeb(message) as ReadableStream),
      duplex: "half",
    } as RequestInit);
    void Promise.resolve(fetch(asked)).then(async (answer) => {
      if (response.destroyed) return void (await answer.body?.cancel());
      response.writeHead(answer.status, [...answer.headers].flat());
      if (answer.body === null) return void response.end();
      Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0])
        .on("error", () => response.destroy())
        .pipe(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, hostname, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
