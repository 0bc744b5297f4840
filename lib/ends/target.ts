/** Where bytes go, behind one face. */
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import type { Surroundings } from "./source.ts";

/** What goes around the bytes that a target is sent past JavaScript: it has to be announced before them. */
export interface Frames {
  /** Announces bytes, and answers how many of them may be sent before it is asked again. */
  announce(wanted: number): Promise<number>;
  /** So many have been sent. */
  sent(bytes: number): void;
}

export interface TargetEnd {
  readonly fd?: number | undefined;
  /**
   * Gives back a descriptor that was a duplicate, once the engine has its own: a Worker that is terminated runs no
   * `end`, and would leave the connection open for ever.
   */
  release?(): void;
  /** The path it is opened from, which is emptied before the first byte unless an offset is given. */
  readonly path?: string | undefined;
  /** Whether there is nothing to open. */
  readonly isOpen: boolean;
  /** @throws TransferError where nothing can be written to it any more, whatever the source. */
  refuse?(): void;
  /** Takes its place in the order of writes, at the moment of the call. Undefined: the place is had. */
  enter?(): Promise<void> | undefined;
  /** Duplicates a borrowed descriptor before anything is waited for; see SourceEnd. */
  keep?(native: Native | string): void;
  /** Opens what has to be opened first, once the source is known to be there. */
  open?(): Promise<void> | undefined;
  /** What it is now, or would be once it is made. */
  inspect(native: Native | string): Endpoint;
  /** What it would be once opened, without opening it or taking its place; see SourceEnd. */
  look?(around: Surroundings): Promise<Endpoint>;
  /** Makes the file that isn't there yet, once nothing can refuse any more. Undefined: there is nothing to make. */
  make?(): Promise<void> | undefined;
  /** Empties the file it was opened from. */
  empty?(): Promise<void> | undefined;
  /** Whether a write that was handed over can't be taken back, and need not be waited for. */
  readonly buffers?: boolean;
  /** Undefined: bytes go as they are. */
  readonly frames?: Frames | undefined;
  /** Writes by the runtime's own means and answers how many bytes were taken. */
  write(bytes: Uint8Array, offset: number | undefined): Promise<number>;
  /** See SourceEnd. */
  watch?(closed: (error?: unknown) => void): void;
  /** Tells that bytes are moving, for the time-outs of sockets. */
  touch?(): void;
  /** Milliseconds after which the runtime would call the target idle; 0 or none: never. */
  readonly idleTimeoutMs?: number;
  /** Makes what was written final, when all of it was. Its failure is the transfer's. */
  commit?(): Promise<void> | undefined;
  /** Gives it back or closes it. `broken`: its connection has failed. `untouched`: nothing was written. */
  end(broken: boolean, untouched: boolean): Promise<void> | undefined;
}
