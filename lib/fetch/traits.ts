/** What a runtime's node:http leaves to others. */
import type { Server as HttpServer } from "node:http";
import type { Server as NetServer, Socket } from "node:net";
import type { SendFile } from "./send.ts";

/** Milliseconds; 0: for ever. */
export interface ServerTimes {
  readonly idleTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
}

/** Ends connections on which nothing moves. */
export interface SocketTimeouts {
  add(socket: Socket): void;
  /** An answer begins. */
  begin(socket: Socket): void;
  /** The last one that was running is over. */
  end(socket: Socket): void;
  stop(): void;
}

export interface ServerTraits {
  /** Makes what takes the connections of a server, and hands them on to it. */
  accept(server: HttpServer): NetServer;
  watchTimeouts(times: ServerTimes): SocketTimeouts;
  readonly sendFile: SendFile;
}
