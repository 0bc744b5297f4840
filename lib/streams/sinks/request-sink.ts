/** An http.ClientRequest on a plain connection as what a stream is piped to. */
import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";
import type { Runtime } from "../../runtime.ts";
import { OutgoingSink } from "./outgoing-sink.ts";

export class RequestSink extends OutgoingSink {
  readonly kind = "request";
  readonly #request: ClientRequest;

  constructor(request: ClientRequest, runtime: Runtime) {
    super(request, runtime);
    this.#request = request;
  }

  /** An agent gives it a connection, which may be a new one. Where none can be made, the request closes, and is unpiped. */
  ready(cancelled: () => Promise<void>): Promise<boolean> | undefined {
    const { socket } = this.#request;
    if (socket !== null && !socket.connecting) return undefined;
    const stopped = cancelled();
    const connected = () => (this.objection() === undefined ? this.connection.ready(() => stopped) : undefined);
    const assigned = this.assigned(stopped);
    return assigned === undefined ? connected() : assigned.then(async (isThere) => (await connected()) ?? isThere);
  }

  /**
   * A response that has come to its end before the request may end the connection, in Node's own way: of what is still to be
   * sent nobody reads a byte then. Node leaves off a listener of its own when it does that.
   */
  override onAborted(callback: () => void): () => void {
    const request = this.#request;
    let socket: Socket | undefined;
    const look = () => {
      if (socket?.writableEnded === true) callback();
    };
    const onRelease = (name: string | symbol) => {
      if (name === "timeout") process.nextTick(look);
    };
    const listen = (given: Socket) => (socket = given).on("end", look).on("removeListener", onRelease);
    if (request.socket === null) request.once("socket", listen);
    else listen(request.socket);
    return () => {
      request.off("socket", listen);
      socket?.off("removeListener", onRelease).off("end", look);
    };
  }
}
