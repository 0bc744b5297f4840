/** Observes the handler itself, where the runtime tells nothing more (Bun): an answer is over when it is made. */
import { performance } from "node:perf_hooks";
import type { Handler, Observation, Observer } from "./observer.ts";

export function observeHandler(handler: Handler, observer: Observer): Observation {
  const observed: Handler = async (request) => {
    const time = new Date();
    const startMs = performance.now();
    observer.begin();
    const response = await handler(request);
    const { method, headers } = request;
    const { pathname, search } = new URL(request.url);
    const access = {
      time,
      address: undefined,
      method,
      url: pathname + search,
      status: response.status,
      bytes: bodyLength(method, response),
      durationMs: performance.now() - startMs,
      aborted: request.signal.aborted,
      referer: headers.get("referer") ?? undefined,
      userAgent: headers.get("user-agent") ?? undefined,
    };
    observer.end(access, response);
    return response;
  };
  return { handler: observed, stop: () => undefined };
}

/** What is going to be sent; undefined where that isn't known. */
function bodyLength(method: string, { body, headers }: Response): number | undefined {
  if (method === "HEAD" || body === null) return 0;
  const length = headers.get("content-length");
  return length === null ? undefined : Number(length);
}
