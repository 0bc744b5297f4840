/** Where a stream's bytes go, behind one face: an HTTP response or request, a socket, a file that is written. */
import type { Writable } from "node:stream";
import type { Native } from "../../../core/abi/abi.ts";
import type { Endpoint } from "../../../core/plan/endpoint.ts";
import type { Counter } from "../socket-account.ts";
import type { Framing } from "./framing.ts";

export interface Sink {
  readonly kind: "response" | "request" | "socket" | "file";
  /** The stream whose write lock the bytes need. */
  readonly queue: Writable;
  /** What goes around the bytes; undefined where they go as they are. */
  readonly framing?: Framing;
  /** Why bytes can't pass JavaScript by on their way here, or undefined where they can. */
  objection(): string | undefined;
  /** Waits until it is this target's turn; undefined where it is. Resolves to false where it never will be. */
  ready?(cancelled: () => Promise<void>): Promise<boolean> | undefined;
  /** Calls back when the peer is going, which the target itself learns of only later; the answer stops that. */
  onAborted?(callback: () => void): (() => void) | undefined;
  /** The descriptor and what it is, once its write lock is had. */
  open(native: Native): Endpoint | string;
  readonly fd: number | undefined;
  /** Where in the file the next byte goes; undefined: where the descriptor stands, or there are no positions. */
  readonly targetOffset?: number | undefined;
  /** Bytes begin to move. */
  begin?(counter: Counter): void;
  /** Bytes of the body, and of a head before them, came past the stream. */
  sent(body: number, head: number): void;
  /** Gives back a descriptor that was a duplicate. */
  release?(): void;
  /** Nothing moves any more. */
  close?(): void;
}
