/** Sends answers of other servers of node:http to responses of ours. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { brokenOff, isWhole } from "../ends/message-body.ts";
import { cutOff } from "./pass/failure.ts";
import type { RequestEnd } from "./request-end.ts";
import type { Pipe } from "./traits.ts";

/**
 * Sends the body of a message as the whole body of a response whose head has been set.
 *
 * Resolves when all has been handed over, or the connection is gone; rejects with what the message fails with: then the
 * connection has to be broken off, or a part would be taken for all.
 */
export type SendMessage = (message: IncomingMessage, response: ServerResponse, end: RequestEnd) => Promise<void>;

export const messagesBy =
  (pipe: Pipe): SendMessage =>
  (message, response, end) =>
    new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        message.destroy();
        reject(error);
      };
      const cut = () => fail(cutOff(message, brokenOff(message)));
      if (message.destroyed) return cut();
      const over = () => {
        if (!message.readableEnded) message.destroy();
        resolve();
      };
      message.once("error", cut);
      message.once("close", () => {
        if (!message.readableEnded) cut();
      });
      message.once("end", () => {
        if (isWhole(message)) response.end();
        else cut();
      });
      // A write that comes just after the connection has gone.
      response.once("error", fail);
      response.once("close", over);
      // An answer that waits for its turn may hear of its connection's end by nothing else.
      end.add(over);
      pipe(message, response, { end: false });
      // A head goes out with the first bytes, which are read in this turn of the event loop; it isn't kept back for others.
      setImmediate(() => {
        if (!response.headersSent && !response.destroyed) response.flushHeaders();
      });
    });
