/** Where a stream's bytes go, behind one face: an HTTP response, a socket, a file that is written. */
import type { Writable } from "node:stream";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import type { Counter } from "./socket-account.ts";

export interface Sink {
  readonly kind: "response" | "socket" | "file";
  /** The stream in whose queue of writes the bytes take their turn. */
  readonly queue: Writable;
  /** Why bytes can't pass JavaScript by on their way here, or undefined where they can. */
  objection(): string | undefined;
  /** Whether it holds back what is written, until somebody uncorks it: which may wait for this stream's end. */
  readonly corked: boolean;
  /** Waits until it is this target's turn; undefined where it is. Resolves to false where it never will be. */
  ready(cancelled: () => Promise<void>): Promise<boolean> | undefined;
  /** Whether there is a peer, who may go. */
  readonly isConnection: boolean;
  /** Whether an empty queue means that all of it has reached the kernel. */
  readonly immediate: boolean;
  /** The descriptor and what it is, once the turn is had. */
  open(native: Native): Endpoint | string;
  readonly fd: number | undefined;
  /** Gives back a descriptor that was a duplicate. */
  letGo(): void;
  /** Nothing moves any more. */
  close(): void;
  /** Calls back when the peer is going, which the target itself learns of only later; the answer stops that. */
  onAborted?(callback: () => void): () => void;
  /** Where in the file the next byte goes; undefined: where the descriptor stands, or there are no positions. */
  readonly targetOffset: number | undefined;
  /** Whether something that can't be taken back goes before the first byte: so that byte has to be certain. */
  readonly commits: boolean;
  /**
   * To be called when at least one byte is certain to come, and before `room` and `unit` are asked: the answer is why
   * none may after all, or undefined.
   */
  commit(): string | undefined;
  /** Bytes that it has promised and that are still to come; Infinity where it promised none. */
  readonly room: number;
  /** Whether bytes go out in units whose length is announced (chunks). */
  readonly framed: boolean;
  /** Most bytes that go out as a unit, which can't be stopped half-way; Infinity where there are no units. */
  readonly unit: number;
  /** What has to be sent before the next unit, of that many bytes. */
  head(length: number): string;
  /** What has to be sent when all units are complete. */
  tail(): string;
  begin(counter: Counter): void;
  /** Bytes of a head came past the stream. */
  headSent(bytes: number): void;
  /** Bytes of the body came past the stream. */
  bodySent(bytes: number): void;
  /** A promise was broken: ends the connection, so that nobody takes what came for the whole. */
  abort(): void;
}
