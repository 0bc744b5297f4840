/** Passes the request of a fetch-style handler on to an upstream. */
import type { RequestOptions } from "node:http";
import type { Readable } from "node:stream";
import { TransferError } from "../../../core/error.ts";
import { messageBehind, takeMessage } from "../../ends/message-body.ts";
import { promisedLength } from "../headers.ts";
import { addressOf } from "../request-end.ts";
import type { Pipe } from "../traits.ts";
import { sharedAgent } from "./agents.ts";
import { answerOf } from "./answer.ts";
import { countedBody } from "./counted.ts";
import { exchange } from "./exchange.ts";
import { PassFailure } from "./failure.ts";
import { setForwarded } from "./forwarded.ts";
import { dropHops, type Framed, framingOf } from "./hops.ts";
import { checkPass, type PassAsked, type ProxyPassOptions } from "./options.ts";
import { givenTarget, joined, requestTarget, type Upstream, upstreamOf } from "./upstream.ts";

/** A bare answer with a status. */
const statusOnly = (status: number): Response => new Response(null, { status, headers: { "content-length": "0" } });

/** How the request's body is framed; undefined where it is in a transfer coding that nobody has undone. */
function framing({ body, headers }: Request): Framed {
  const message = body === null ? undefined : messageBehind(body);
  if (message !== undefined) return framingOf(message);
  const codings = headers.get("transfer-encoding");
  if (codings !== null) return codings.trim().toLowerCase() === "chunked" ? { length: undefined } : undefined;
  return { length: body === null ? undefined : promisedLength(headers) };
}

/** The fields that the upstream is sent. How the body is framed is said by us alone, whatever a client has claimed. */
function fieldsFor(request: Request, upstream: Upstream, asked: PassAsked, length: number | undefined): Headers {
  const headers = new Headers(request.headers);
  const { host, protocol } = new URL(request.url);
  dropHops(headers);
  // A server answers that by itself, before it calls a handler.
  for (const name of ["content-length", "expect"]) headers.delete(name);
  headers.set("host", asked.preserveHost ? host : upstream.host);
  if (asked.forwarded !== "off") {
    const address = asked.clientAddress ?? addressOf(request);
    setForwarded(headers, { address, host, scheme: protocol.slice(0, -1) }, asked.forwarded === "append");
  }
  if (length !== undefined) headers.set("content-length", String(length));
  else if (request.body !== null) headers.set("transfer-encoding", "chunked");
  return headers;
}

function bodyOf({ body }: Request, length: number | undefined): Readable | undefined {
  if (body === null) return undefined;
  const message = takeMessage(body);
  if (message === undefined) return countedBody(body, length);
  return length === 0 ? undefined : message;
}

/** What node:http is asked for. */
function optionsFor(
  request: Request,
  upstream: Upstream,
  asked: PassAsked,
  path: string,
  fields: Headers,
): RequestOptions {
  const { isEncrypted, hostname, port } = upstream;
  return {
    method: request.method,
    path,
    headers: Object.fromEntries(fields),
    setHost: false,
    agent: asked.agent ?? sharedAgent(isEncrypted),
    hostname,
    ...(port !== undefined && { port }),
    ...(asked.unix !== undefined && { socketPath: asked.unix }),
  };
}

/** What a request is refused with before anybody is asked; undefined for one that can be passed on. */
function refusal(request: Request, framed: Framed, path: string | undefined): Response | undefined {
  if (path === undefined) return statusOnly(400);
  // Others may be ignored (RFC 9110, 7.8); a WebSocket would wait for what never comes.
  const isWebSocket = /^\s*websocket\s*$/i.test(request.headers.get("upgrade") ?? "");
  if (isWebSocket) return new Response("Upgrades are not passed on\n", { status: 501 });
  return framed === undefined ? statusOnly(501) : undefined;
}

export type PassRequest = (request: Request, to: string | URL, options?: ProxyPassOptions) => Promise<Response>;

/** Makes `proxyPass` for a way of piping streams. */
export const passer =
  (pipe: Pipe): PassRequest =>
  async (request, to, options = {}) => {
    const asked = checkPass(options);
    const upstream = upstreamOf(to);
    const target = asked.path === undefined ? requestTarget(request) : givenTarget(asked.path);
    const { isEncrypted, host } = upstream;
    const name = asked.unix ?? `${isEncrypted ? "https" : "http"}://${host}`;
    const path = joined(upstream, target);
    const framed = framing(request);
    const refused = refusal(request, framed, path);
    if (refused !== undefined || path === undefined) return refused ?? statusOnly(400);
    if (request.bodyUsed || request.body?.locked === true)
      throw new TransferError(`Cannot pass request on to ${name}: its body is being read by others, or was`, {
        code: "ERR_INVALID_STATE",
      });
    request.signal.throwIfAborted();
    const length = framed?.length;
    const fields = fieldsFor(request, upstream, asked, length);
    try {
      const message = await exchange({
        request,
        name,
        isEncrypted,
        options: optionsFor(request, upstream, asked, path, fields),
        body: bodyOf(request, length),
        times: asked,
        pipe,
      });
      return answerOf(request, message, name);
    } catch (error) {
      if (!(error instanceof PassFailure)) throw error;
      return (await asked.onError(error.error, request)) ?? statusOnly(error.status);
    }
  };
