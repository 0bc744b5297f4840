/** The connections of a server by the answers that are running on them. */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { clientEnded } from "./node-handler.ts";

export class Connections {
  readonly #running = new Map<Socket, Set<ServerResponse>>();
  readonly #onIdle: (socket: Socket) => void;
  #isClosing = false;

  /** @param onIdle hears of each connection whose last answer is over and that stays open */
  constructor(onIdle: (socket: Socket) => void = () => undefined) {
    this.#onIdle = onIdle;
  }

  add(socket: Socket): void {
    const answers = new Set<ServerResponse>();
    this.#running.set(socket, answers);
    socket.once("close", () => this.#running.delete(socket));
    socket.once("end", () => {
      // Node sees to the first two by itself, Deno doesn't.
      if (answers.size === 0) return void socket.end();
      const requests = [...answers].map(({ req }) => req);
      if (requests.some(({ complete }) => !complete)) return void socket.destroy();
      // Whether the client waits for the answers or has gone can't be told apart (RFC 9112, 9.6).
      for (const request of requests) request.emit(clientEnded);
    });
  }

  begin(response: ServerResponse, socket: Socket): void {
    const answers = this.#running.get(socket);
    if (answers === undefined) return;
    answers.add(response);
    if (this.#isClosing) response.shouldKeepAlive = false;
    response.once("close", () => {
      answers.delete(response);
      if (answers.size > 0) return;
      if (this.#isClosing) socket.destroySoon();
      else if (!socket.destroyed) this.#onIdle(socket);
    });
  }

  /** Closes the idle ones now and the others after their answers, which say so where they still can. */
  close(): void {
    this.#isClosing = true;
    for (const [socket, answers] of this.#running) {
      for (const response of answers) response.shouldKeepAlive = false;
      if (answers.size === 0) socket.destroy();
    }
  }

  destroy(): void {
    for (const socket of this.#running.keys()) socket.destroy();
  }
}
