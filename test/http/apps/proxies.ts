/** Ways of an app to hand a request on, and the answer back: what proxy packages do, written out. */
import * as http from "node:http";
import { pipeline } from "node:stream";
import { codeOf, type Exchange, hold, type Way } from "./exchange.ts";
import { watch } from "./recorder.ts";

/** One connection to a server behind, which serves for one request after the other. */
const agents = new Map<number, http.Agent>();

export function agentOf(port: number): http.Agent {
  const agent = agents.get(port) ?? new http.Agent({ keepAlive: true, maxSockets: 1 });
  agents.set(port, agent);
  return agent;
}

/** Begins a request to the server behind; what goes wrong is a 502, or the end of the connection. */
function ask(exchange: Exchange, options: http.RequestOptions = {}): http.ClientRequest {
  const { id, request, response, port, note } = exchange;
  const { method, headers } = request;
  const to = { host: "127.0.0.1", port, path: "/behind", agent: agentOf(port) };
  const outgoing = http.request({ ...to, method, headers, ...options });
  watch(id, "outgoing", outgoing);
  outgoing.on("error", (error) => {
    note("upstream failed", { code: codeOf(error) });
    if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
  outgoing.on("information", ({ statusCode }) => note("information", { statusCode }));
  return outgoing;
}

const headOf = ({ statusCode = 500, rawHeaders }: http.IncomingMessage, response: http.ServerResponse) =>
  response.writeHead(statusCode, rawHeaders);

type Answering = (answer: http.IncomingMessage, exchange: Exchange) => unknown;

const withoutLength = ({ statusCode = 500 }: http.IncomingMessage, response: http.ServerResponse) =>
  response.writeHead(statusCode);

const handingBack =
  (begin: (answer: http.IncomingMessage, response: http.ServerResponse) => unknown): Answering =>
  (answer, { id, response, note }) => {
    hold({ id, source: answer, target: response, response });
    answer.on("error", (error) => {
      note("answer failed", { code: codeOf(error) });
      response.destroy();
    });
    begin(answer, response);
    answer.pipe(response);
  };

const handedBack = handingBack(headOf);

const proxied =
  (send: (exchange: Exchange, outgoing: http.ClientRequest) => unknown, answer: Answering = handedBack): Way =>
  (exchange) => {
    const outgoing = ask(exchange);
    outgoing.on("response", (message) => answer(message, exchange));
    send(exchange, outgoing);
  };

const piped = ({ request }: Exchange, outgoing: http.ClientRequest) => request.pipe(outgoing);

/** As many connections behind as are wanted, each used again, and none left to wait for a client that has gone. */
const many = new http.Agent({ keepAlive: true });

const lasting =
  (begin: typeof headOf, isPipeline: boolean): Way =>
  (exchange) => {
    const { request, response } = exchange;
    const outgoing = ask(exchange, { agent: many });
    const ended = () => undefined;
    response.on("close", () => {
      if (!response.writableFinished) outgoing.destroy();
    });
    outgoing.on("response", (message) => {
      message.on("error", () => response.destroy());
      begin(message, response);
      if (isPipeline) pipeline(message, response, ended);
      else message.pipe(response);
    });
    if (isPipeline) pipeline(request, outgoing, ended);
    else request.pipe(outgoing);
  };

export const proxies: Readonly<Record<string, Way>> = {
  pipe: proxied(piped),
  /** A test may do something to the request's body, not to the answer's. */
  held: proxied(
    ({ id, request, response }, outgoing) => {
      hold({ id, source: request, target: outgoing, response });
      request.pipe(outgoing);
    },
    (answer, { response }) => {
      headOf(answer, response);
      answer.pipe(response);
    },
  ),
  pipeline: proxied(
    ({ request, note }, outgoing) =>
      pipeline(request, outgoing, (error) => note("request sent", { code: codeOf(error) })),
    (answer, { id, response, note }) => {
      hold({ id, source: answer, target: response, response });
      headOf(answer, response);
      pipeline(answer, response, (error) => note("answer sent", { code: codeOf(error) }));
    },
  ),
  /** The answer waits for the test to have it piped. */
  late: proxied(piped, (answer, { id, response }) => {
    headOf(answer, response);
    hold({ id, source: answer, target: response, response });
  }),
  /** The client is told no length. */
  chunked: proxied(piped, handingBack(withoutLength)),
  /** Chunks of the app's own go before. */
  preceded: proxied(
    piped,
    handingBack((answer, response) => {
      withoutLength(answer, response);
      response.write("first ");
      return response.write("and second");
    }),
  ),
  /** The server behind is told no length. */
  "chunked-request": (exchange) => {
    const { "content-length": _, ...headers } = exchange.request.headers;
    const outgoing = ask(exchange, { headers });
    outgoing.on("response", (message) => handedBack(message, exchange));
    exchange.request.pipe(outgoing);
  },
  "lasting-pipe": lasting(headOf, false),
  "lasting-pipeline": lasting(headOf, true),
  "lasting-chunked": lasting(withoutLength, false),
  "idle-upstream": proxied(({ request, note }, outgoing) => {
    outgoing.setTimeout(400, () => {
      note("idle");
      outgoing.destroy(Object.assign(new Error("idle"), { code: "E_IDLE" }));
    });
    request.pipe(outgoing);
  }),
  /** A message of the app's own kind, as tracers make them. */
  "own-message": (exchange) => {
    class Own extends http.IncomingMessage {}
    const outgoing = ask(exchange);
    outgoing.on("response", (message) => {
      Object.setPrototypeOf(message, Own.prototype);
      handedBack(message, exchange);
    });
    exchange.request.pipe(outgoing);
  },
};
