/** What a runtime's node:http leaves to others. */
import type { Server as HttpServer, ServerResponse } from "node:http";
import type { Server as NetServer, Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import type { RequestEnd } from "./request-end.ts";

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

/** A descriptor, given away to be closed, and the bytes of it that make a body. */
export interface FilePart {
  readonly fd: number;
  readonly start: number;
  readonly length: number;
  readonly path: string;
}

/**
 * Sends a part of an open file as the whole body of a response whose head has been set, and closes the file. A body
 * that comes out short breaks the connection off, for its length has been promised.
 *
 * Resolves when all has been handed over, or the connection is gone; rejects with TransferError `ERR_SLUICE_TRUNCATED`, or
 * what reading fails with. The end of the request may come while it waits for its turn.
 */
export type SendFile = (part: FilePart, response: ServerResponse, end: RequestEnd) => Promise<void>;

/** `source.pipe(target, options)`, past JavaScript where both ends allow it. */
export type Pipe = (source: Readable, target: Writable, options: { readonly end: boolean }) => void;

export interface ServerTraits {
  /** Makes what takes the connections of a server, and hands them on to it. */
  accept(server: HttpServer): NetServer;
  watchTimeouts(times: ServerTimes): SocketTimeouts;
  readonly sendFile: SendFile;
}

/** The server that a runtime brings along beside node:http. */
export interface OwnServer {
  /** Whether it has made a request: it cancels the bodies of clients that go, and tells of whoever looks at the signal. */
  hasMade(request: Request): boolean;
  /**
   * A body that it sends for less: an open file from an offset to its end, wherever that is when it gets there. The descriptor
   * stays the caller's. Undefined where it can't be had, or would not end with the Content-Length.
   */
  openBody(request: Request, fd: number, offset: number): ReadableStream<Uint8Array> | undefined;
}
