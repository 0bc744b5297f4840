/** Serves by Bun.serve, which sends files by sendfile. */
import { closeSync } from "node:fs";
import { takeFile } from "../shared/fetch/body.ts";
import { closeTimeoutMs, urlOf } from "../shared/fetch/node-server.ts";
import type { CloseOptions, ServeOptions, Server } from "../shared/fetch/options.ts";
import { beginRequest } from "../shared/fetch/request-end.ts";

/**
 * The same answer with the file as a Bun.file, where its body is one that nobody has touched. Bun opens the path
 * for itself when the handler's promise is settled, before the event loop turns, and closes what it has opened:
 * the path leads to the descriptor, which is closed thereafter. Of a Bun.file(fd) nobody hears when it has been sent.
 */
function asBunFile(response: Response): Response {
  const part = response.body === null ? undefined : takeFile(response.body);
  if (part === undefined) return response;
  const { fd, start, length } = part;
  setImmediate(() => closeSync(fd));
  const headers = new Headers(response.headers);
  // Bun would tell the name that the file has here.
  if (!headers.has("content-disposition")) headers.set("content-disposition", "inline");
  const { status, statusText } = response;
  return new Response(Bun.file(`/proc/self/fd/${fd}`).slice(start, start + length), { status, statusText, headers });
}

/** See ../node/fetch.ts. */
export async function serve(options: ServeOptions): Promise<Server> {
  const { fetch, port = 0, host, reusePort = false, idleTimeoutMs, onError } = options;
  const server = Bun.serve({
    port,
    reusePort,
    // Bun's own of ten seconds is what ends an answer whose file has become shorter.
    ...(idleTimeoutMs !== undefined && { idleTimeout: Math.min(255, Math.ceil(idleTimeoutMs / 1000)) }),
    ...(host !== undefined && { hostname: host }),
    async fetch(request) {
      // What Bun makes of a Host that is none.
      if (!URL.canParse(request.url)) return new Response(null, { status: 400 });
      const end = beginRequest(request);
      try {
        return asBunFile(await fetch(request));
      } finally {
        // Whatever else was opened, and is not being read by now, has been dropped.
        setImmediate(end);
      }
    },
    error(error) {
      (onError ?? console.error)(error);
      return new Response(null, { status: 500 });
    },
  });
  const { hostname = "localhost", port: bound = port } = server;
  const shutDown = async ({ timeoutMs = closeTimeoutMs }: CloseOptions = {}) => {
    const timer = setTimeout(() => void server.stop(true), timeoutMs);
    const stopped = server.stop();
    server.closeIdleConnections();
    await stopped;
    clearTimeout(timer);
  };
  let closing: Promise<void> | undefined;
  const close = (how?: CloseOptions) => (closing ??= shutDown(how));
  return { port: bound, hostname, url: urlOf(hostname, bound), close, [Symbol.asyncDispose]: () => close() };
}
