/** One request to an upstream, up to the head of its answer, and what ends it after that. */
import * as http from "node:http";
import * as https from "node:https";
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import type { Readable } from "node:stream";
import { brokenOff, isWhole } from "../../ends/message-body.ts";
import { codeOf } from "../../support/system-error.ts";
import type { Pipe } from "../traits.ts";
import { failed, tellOf, unfit } from "./failure.ts";
import type { PassTimes } from "./options.ts";
import { PassClock } from "./pass-clock.ts";

export interface Asking {
  readonly request: Request;
  /** For messages: the upstream's address. */
  readonly name: string;
  readonly isEncrypted: boolean;
  readonly options: RequestOptions;
  /** Undefined: none. What is not whole must fail. */
  readonly body: Readable | undefined;
  readonly times: PassTimes;
  readonly pipe: Pipe;
}

/** Methods that may be asked twice (RFC 9110, 9.2.2). */
const idempotent: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** What a kept connection fails with that the upstream has closed meanwhile. */
const closedMeanwhile: ReadonlySet<string | undefined> = new Set(["ECONNRESET", "EPIPE"]);

const isMessage = (body: Readable): body is IncomingMessage => "complete" in body;

/** Sends a body to its end, and the end only where it is whole: the upstream is to take no part of it for all. */
function sendBody(body: Readable, sent: ClientRequest, pipe: Pipe, fail: (error: Error) => void): void {
  const cut = () =>
    fail(body.errored ?? (isMessage(body) ? brokenOff(body) : new Error("The body of the Request was closed")));
  body.once("error", fail);
  body.once("end", () => {
    if (isMessage(body) && !isWhole(body)) cut();
    else sent.end();
  });
  body.once("close", () => {
    if (!body.readableEnded) cut();
  });
  pipe(body, sent, { end: false });
}

/**
 * Asks once.
 *
 * @returns the head, or undefined where a kept connection turned out to be closed, and another may be tried
 * @throws PassFailure; what the body fails with; the signal's reason
 */
function attempt({
  request,
  name,
  isEncrypted,
  options,
  body,
  times,
  pipe,
}: Asking): Promise<IncomingMessage | undefined> {
  const { signal } = request;
  return new Promise((resolve, reject) => {
    const sent = (isEncrypted ? https : http).request(options);
    let answer: IncomingMessage | undefined;
    let isReused = false;
    /** Ends the exchange: by its promise before there is a head, by the body of the answer after that. */
    const end = (reason: unknown, error?: Error) => {
      reject(reason);
      if (body !== undefined) body.unpipe(sent);
      answer?.destroy(error);
      sent.destroy();
    };
    const clock = new PassClock(sent, times, name, body, (failure) => end(failure, failure.error));
    const abort = () => end(signal.reason, signal.reason instanceof Error ? signal.reason : undefined);
    // It holds the Request as long as there is a connection: Node collects a signal, and who listens to it, with that.
    const over = () => {
      request.signal.removeEventListener("abort", abort);
      reject(failed(name, Object.assign(new Error("socket hang up"), { code: "ECONNRESET" })));
    };
    signal.addEventListener("abort", abort);
    sent.once("close", over);
    sent.on("error", (error) => {
      // Its answer tells of it.
      if (answer !== undefined) return;
      const mayRetry = isReused && body === undefined && idempotent.has(options.method);
      if (mayRetry && !signal.aborted && closedMeanwhile.has(codeOf(error))) resolve(undefined);
      end(failed(name, error));
    });
    sent.once("socket", (socket) => {
      isReused = sent.reusedSocket;
      // By that Deno repeats whatever has failed, a POST as well.
      sent.reusedSocket = false;
      clock.connecting(socket, isReused);
    });
    sent.once("upgrade", (_message, socket) => {
      socket.destroy();
      end(unfit(name, "it switched protocols, unasked"));
    });
    sent.once("response", (message) => {
      answer = message;
      // Who reads the body hears of it all the same.
      message.on("error", () => {});
      tellOf(message, { name, request });
      clock.answered(message);
      // What an upstream hasn't read by the end of its answer it doesn't want: that connection serves no other request.
      message.once("end", () => {
        if (sent.writableEnded) return;
        body?.unpipe(sent);
        sent.destroy();
      });
      resolve(message);
    });
    if (body === undefined) sent.end();
    else sendBody(body, sent, pipe, (error) => end(error, error));
  });
}

/** Asks an upstream. A request without a body that may be repeated leaves kept connections that have been closed behind. */
export async function exchange(asking: Asking): Promise<IncomingMessage> {
  for (;;) {
    asking.request.signal.throwIfAborted();
    const message = await attempt(asking);
    if (message !== undefined) return message;
  }
}
