/** Streams that the test meddles with while they are under way. */
import type { ReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { hold } from "./meddling.ts";
import { type Exchange, type Route, taken, withLength } from "./route.ts";

const underWay = (send: (source: ReadStream, exchange: Exchange) => unknown): Route =>
  taken((exchange) => {
    withLength(exchange);
    const abort = new AbortController();
    const source = exchange.open({ signal: abort.signal });
    hold({ id: exchange.id, abort, source, response: exchange.response });
    send(source, exchange);
  });

export const held = {
  hold: underWay((source, { response }) => source.pipe(response)),
  "hold-pipeline": underWay((source, { response, note }) => {
    pipeline(source, response, (error) => note("callback", { code: error?.code }));
  }),
  "hold-before-headers": underWay(() => undefined),
} as const satisfies Record<string, Route>;
