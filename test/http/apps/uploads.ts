/** Ways of an app to put a request's body where it belongs. */
import { connect } from "node:net";
import { pipeline, Readable, Transform } from "node:stream";
import { pipeline as promised } from "node:stream/promises";
import { conclude, type Exchange, hold, openFile, type Way } from "./exchange.ts";
import { watch } from "./recorder.ts";

/** Pipes to a file, and answers when that is whole or has failed. */
function pipeToFile(exchange: Exchange, options?: Parameters<typeof openFile>[1]): void {
  const file = openFile(exchange, options);
  exchange.request.pipe(file);
  answerAfter(exchange, file);
}

function answerAfter(exchange: Exchange, file: ReturnType<typeof openFile>): void {
  file.on("finish", () => conclude(exchange)).on("error", (error) => conclude(exchange, error));
}

/** Something of an app's own that is in the way, and then its pipe. */
const before =
  (meddle: (exchange: Exchange) => unknown): Way =>
  (exchange) => {
    meddle(exchange);
    pipeToFile(exchange);
  };

export const uploads: Readonly<Record<string, Way>> = {
  pipe: (exchange) => pipeToFile(exchange),
  pipeline: (exchange) => pipeline(exchange.request, openFile(exchange), (error) => conclude(exchange, error)),
  promised: (exchange) =>
    promised(exchange.request, openFile(exchange)).then(
      () => conclude(exchange),
      (error: unknown) => conclude(exchange, error),
    ),
  /** Piped when the test says so. */
  late: (exchange) => answerAfter(exchange, openFile(exchange)),
  append: (exchange) => pipeToFile(exchange, { flags: "a" }),
  "changed-headers": before(({ request }) => {
    request.headers["content-length"] = "7";
    request.headers["transfer-encoding"] = "chunked";
  }),
  "idle-request": before(({ request, note }) => {
    request.setTimeout(400, () => {
      note("idle");
      request.destroy();
    });
  }),
  "own-push": before(({ request, note }) => {
    let bytes = 0;
    const { push } = request;
    request.push = function (chunk: Buffer | null, ...rest) {
      if (chunk === null) note("pushed", { bytes });
      else bytes += chunk.length;
      return push.call(this, chunk, ...rest);
    };
  }),
  "own-pipe": before(({ request, note }) => {
    const { pipe } = Readable.prototype;
    request.pipe = function (target, options) {
      note("own pipe");
      return pipe.call(this, target, options) as typeof target;
    };
  }),
  "own-read": before(({ request, note }) => {
    const { _read } = request;
    let isTold = false;
    request._read = function (size) {
      if (!isTold) note("own _read");
      isTold = true;
      _read.call(this, size);
    };
  }),
  listened: before(({ request, note }) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => (bytes += chunk.length)).on("end", () => note("listened", { bytes }));
  }),
  transformed: (exchange) => {
    const through = new Transform({ transform: (chunk, _encoding, callback) => callback(null, chunk) });
    pipeline(exchange.request, through, openFile(exchange), (error) => conclude(exchange, error));
  },
  /** To a connection of the app's own. */
  socket: (exchange) => {
    const { id, request, response, port } = exchange;
    const socket = connect(port, "127.0.0.1");
    watch(id, "target", socket);
    hold({ id, response, source: request, target: socket });
    request.pipe(socket);
    socket.on("finish", () => conclude(exchange)).on("error", (error) => conclude(exchange, error));
  },
  /** Nobody wants it. */
  refused: ({ response }) => response.writeHead(413, { "content-length": 9 }).end("too large"),
  /** Answered while it comes. */
  "answered-early": (exchange) => {
    pipeToFile(exchange);
    exchange.response.end("thanks");
  },
};
