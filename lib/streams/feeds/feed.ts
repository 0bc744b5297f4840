/** Where a stream's bytes come from, behind one face: a file that is read, a socket. */
import type { Readable } from "node:stream";
import type { Native } from "../../../core/abi/abi.ts";
import type { Endpoint } from "../../../core/plan/endpoint.ts";
import type { TransferError } from "../../../core/error.ts";
import type { Counter } from "../socket-account.ts";

/** Bytes to move now. A length of undefined: until the source ends. */
export interface Range {
  readonly offset: number;
  readonly length: number | undefined;
}

export interface Feed {
  readonly kind: "file" | "socket";
  readonly stream: Readable;
  readonly fd: number;
  /** Why the bytes can't pass JavaScript by, or undefined where they can. */
  objection(): string | undefined;
  inspect(native: Native): Endpoint | string;
  /** What is to be moved from here on; `source` has just been inspected. */
  range(source: Endpoint): Range;
  /** Whether the stream closes its source when it is destroyed. */
  readonly closesItself: boolean;
  /** The next byte. */
  readonly offset: number;
  /** How many bytes were asked for from there on, where that is known without a look at the source. */
  readonly askedLength?: number | undefined;
  /** Whether that end has been reached. */
  readonly complete?: boolean;
  /** Keeps the runtime from reading, before anything is waited for: its bytes would be overtaken. */
  hold?(): void;
  /** Reads the next bytes, and leaves them the next: fewer at the end. Rejects where that fails, or it has no positions. */
  readAhead(length: number): Promise<Uint8Array>;
  /** Bytes begin to move. */
  begin?(counter: Counter): void;
  /** Bytes have left without the stream. */
  moved(bytes: number): void;
  /** Takes back bytes that had been read and could not be delivered. Sources with positions have none. */
  unread?(bytes: Uint8Array): void;
  /** Gives back a descriptor that was a duplicate. */
  release?(): void;
  /** Nothing moves any more. */
  close?(): void;
  /** The source is at its end: the stream ends as if it had read that itself. */
  finish(): void;
  /** Reading has failed in a way that the stream could not meet again; undefined: it would. */
  fail?(error: TransferError): void;
  /** The stream reads on by itself, from the byte after the last that was moved. */
  giveBack(): void;
}
