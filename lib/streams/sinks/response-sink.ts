/** An http.ServerResponse on a plain connection as what a stream is piped to. */
import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Runtime } from "../../runtime.ts";
import { onConnectionEnd } from "./connection-end.ts";
import { OutgoingSink } from "./outgoing-sink.ts";

export class ResponseSink extends OutgoingSink {
  readonly kind = "response";
  readonly #response: ServerResponse;

  constructor(response: ServerResponse, runtime: Runtime) {
    super(response, runtime);
    this.#response = response;
  }

  /** A pipelined response gets its connection when the one before it is through. */
  ready(cancelled: () => Promise<void>): Promise<boolean> | undefined {
    if (this.#response.socket !== null) return undefined;
    // Node 20, 22 and Deno tell an answer that waits for its turn nothing of its connection's end.
    const connection: unknown = this.#response.req?.socket;
    return this.assigned(cancelled(), (never) =>
      connection instanceof Socket ? onConnectionEnd(connection, never) : undefined,
    );
  }
}
