/** Bodies of several parts, bodies under a cork, and bodies that the app goes on with: the response owes, not the stream. */
import { once } from "node:events";
import { openSync, type ReadStream } from "node:fs";
import * as promises from "node:stream/promises";
import { type Exchange, type Route, taken, untouched } from "./route.ts";

/** Several streams, each of which is taken over. */
const several = (answer: Route["answer"]): Route => ({ taken: undefined, answer });

const footer = "the footer";

const half = ({ size }: Exchange): number => size / 2;

const firstHalf = (exchange: Exchange): ReadStream => exchange.open({ start: 0, end: half(exchange) - 1 });
const secondHalf = (exchange: Exchange): ReadStream => exchange.open({ start: half(exchange), end: exchange.size - 1 });

const promise = ({ response }: Exchange, length: number) => response.setHeader("content-length", length);

/** Sends one stream, then goes on. */
const after = (source: ReadStream, { response }: Exchange, next: () => unknown) =>
  source.on("end", next).pipe(response, { end: false });

const bothHalves = (exchange: Exchange) =>
  after(firstHalf(exchange), exchange, () => secondHalf(exchange).pipe(exchange.response));

/** Two ranges; `prepare` is what comes before them. */
const twoParts = (prepare: (exchange: Exchange) => unknown): Route =>
  several((exchange) => {
    prepare(exchange);
    bothHalves(exchange);
  });

export const parts = {
  "two-parts": twoParts((exchange) => promise(exchange, exchange.size)),
  "two-chunked-parts": twoParts(() => undefined),
  "two-parts-flushed": twoParts((exchange) => {
    promise(exchange, exchange.size);
    exchange.response.flushHeaders();
  }),
  "two-parts-with-head": twoParts(({ response, size }) => response.writeHead(200, { "content-length": size })),
  "two-parts-written": twoParts((exchange) => {
    promise(exchange, exchange.size + footer.length);
    exchange.response.write(footer);
  }),
  "two-parts-by-pipeline": several(async (exchange) => {
    promise(exchange, exchange.size);
    // Each pipeline listens to the response until that is closed.
    exchange.response.setMaxListeners(20);
    await promises.pipeline(firstHalf(exchange), exchange.response, { end: false });
    await promises.pipeline(secondHalf(exchange), exchange.response);
    exchange.note("resolved");
  }),
  "part-and-footer": taken((exchange) => {
    promise(exchange, half(exchange) + footer.length);
    after(firstHalf(exchange), exchange, () => exchange.response.end(footer));
  }),
  "part-footer-part": several((exchange) => {
    promise(exchange, exchange.size + footer.length);
    after(firstHalf(exchange), exchange, () => {
      exchange.response.write(footer);
      secondHalf(exchange).pipe(exchange.response);
    });
  }),
  "whole-and-part": several((exchange) => {
    promise(exchange, exchange.size + half(exchange));
    after(exchange.open(), exchange, () => firstHalf(exchange).pipe(exchange.response));
  }),
  "many-parts": several(async (exchange) => {
    const { response, size, open } = exchange;
    const step = size / 8;
    promise(exchange, size);
    for (let start = 0; start < size; start += step) {
      const source = open({ start, end: start + step - 1 });
      source.pipe(response, { end: false });
      await once(source, "end");
    }
    response.end();
  }),
  "generous-end": taken((exchange) => {
    promise(exchange, exchange.size + footer.length);
    after(exchange.open({ start: 0, end: exchange.size * 2 }), exchange, () => exchange.response.end(footer));
  }),
  "corked-for-a-tick": taken((exchange) => {
    promise(exchange, exchange.size + footer.length);
    const source = exchange.open();
    source.on("ready", () => {
      exchange.response.write(footer);
      source.pipe(exchange.response);
    });
  }),
  "chunked-for-a-tick": taken((exchange) => {
    const source = exchange.open();
    source.on("open", () => {
      source.pipe(exchange.response);
      exchange.response.write(footer);
    });
  }),
} as const satisfies Record<string, Route>;

/** Held back until somebody uncorks it, which may be the end alone: Node itself stands still then, where much is piped. */
export const corked = {
  "corked-response": untouched((exchange) => {
    promise(exchange, exchange.size);
    exchange.response.cork();
    exchange.open().pipe(exchange.response);
  }),
  "corked-chunks": untouched(({ response, open }) => {
    response.cork();
    response.write(footer);
    const source = open();
    source.pipe(response, { end: false });
    // Before the end: Node 22 sends what end() uncorks behind its last chunk.
    source.on("end", () => response.uncork());
    source.on("end", () => response.end());
  }),
  "corked-socket": untouched((exchange) => {
    promise(exchange, exchange.size);
    exchange.response.socket?.cork();
    exchange.open().pipe(exchange.response);
  }),
  "corked-by-a-mistake": untouched((exchange) => {
    try {
      exchange.response.end({ not: "a string" } as unknown as string);
    } catch (error) {
      exchange.note("refused", { code: (error as NodeJS.ErrnoException).code });
    }
    promise(exchange, exchange.size);
    exchange.open().pipe(exchange.response);
  }),
} as const satisfies Record<string, Route>;

/** A few bytes of what may be no ordinary file. */
const few = 10;

/** A promise that is made before anybody knows what is there: while no head has been sent, an error is a 500. */
const promising = (
  open: (exchange: Exchange) => ReadStream,
  length: (exchange: Exchange) => number = () => few,
): Route => ({
  taken: undefined,
  answer(exchange) {
    const { response, note } = exchange;
    promise(exchange, length(exchange));
    open(exchange)
      .on("error", (error: NodeJS.ErrnoException) => {
        note("failed", { code: error.code, headersSent: response.headersSent });
        if (response.headersSent) return void response.destroy();
        response.statusCode = 500;
        response.removeHeader("content-length");
        response.end(error.code);
      })
      .pipe(response);
  },
});

export const certain = {
  few: promising(({ open }) => open({ start: 0, end: few - 1 })),
  "few-without-end": promising(({ open }) => open()),
  /** A regular file, whose first read fails. */
  unreadable: promising(
    ({ open, path, size }) => open({ fd: openSync(path, "a"), start: 0, end: size - 1 }),
    ({ size }) => size,
  ),
} as const satisfies Record<string, Route>;
