/** What holds for every answer: the methods that there are, who may read it, and what happens when it fails. */
import { describeFailure } from "../exit.ts";
import { tell } from "../screen.ts";
import type { Handler } from "./observer.ts";

const methods = "GET, HEAD, OPTIONS";

/** For pages of other origins (Fetch, "CORS protocol"): they may read everything, ranges too. */
const corsHeaders = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "Accept-Ranges, Content-Disposition, Content-Encoding, Content-Range, ETag",
} as const;

const preflightHeaders = {
  "access-control-allow-methods": methods,
  "access-control-allow-headers": "*",
  "access-control-max-age": "86400",
} as const;

/** Wraps a handler of GET and HEAD. Never rejects: a failure is told on stderr and answered with 500. */
export function withManners(handler: Handler, { cors }: { readonly cors: boolean }): Handler {
  const always = Object.entries({ "x-content-type-options": "nosniff", ...(cors && corsHeaders) });
  const preflight = { allow: methods, ...(cors && preflightHeaders) };
  const answer: Handler = async (request) => {
    if (request.method === "GET" || request.method === "HEAD") return handler(request);
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: preflight });
    return textResponse("Method Not Allowed\n", 405, { allow: methods });
  };
  return async (request) => {
    const response = await answer(request).catch((error: unknown) => {
      tellError(error, request);
      return textResponse("Internal Server Error\n", 500);
    });
    for (const [name, value] of always) response.headers.set(name, value);
    return response;
  };
}

function textResponse(text: string, status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "content-length": String(text.length), ...headers },
  });
}

function tellError(error: unknown, { method, url }: Request): void {
  tell(`sluice: ${describeFailure(`answer ${method} ${new URL(url).pathname}`, error).message}`);
}

/** Hears of bodies that fail, which the client sees as a connection that breaks off. */
export function tellBodyError(error: unknown): void {
  tell(`sluice: ${describeFailure("send", error).message}`);
}
