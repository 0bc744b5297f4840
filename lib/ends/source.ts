/** Where bytes come from, behind one face. */
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";

/** What a look takes of the machine, which knows the ends: they don't know it. */
export interface Surroundings {
  readonly native: Native | string;
  readonly runtime: { readonly guardsSystem?: boolean };
}

/** What counts the bytes that the engine moves. */
export interface Counter {
  readonly progress: number;
  readonly outstanding: number;
}

export interface SourceEnd {
  /** The path it is opened from. */
  readonly path?: string | undefined;
  /** The descriptor for the engine, once opened; undefined where there is none. */
  readonly fd?: number | undefined;
  /** The bytes, where it is memory. */
  readonly bytes?: Uint8Array;
  /**
   * Gives back a descriptor that was a duplicate, once the engine has its own: a Worker that is terminated runs no
   * `end`, and would leave the connection open for ever.
   */
  release?(): void;
  /**
   * Duplicates a borrowed descriptor, to be called before anything is waited for: its owner may close
   * it meanwhile, and the number may then be another file's.
   */
  keep?(native: Native | string): void;
  /** Holds a borrowed file in a way that the runtime's own API can read: not every runtime reads foreign descriptors. */
  keepReadable?(): void;
  /** Opens what has to be opened first. Undefined: nothing had to wait. */
  open?(): Promise<void> | undefined;
  /** What it is now. */
  inspect(native: Native | string): Endpoint;
  /** What it would be once opened: nothing is opened, read or stopped, or waits behind others. Without it: as `inspect`. */
  look?(around: Surroundings): Promise<Endpoint>;
  /** Stops the runtime from reading it: the engine is going to. */
  stop?(): void;
  /** Called with what counts the bytes that the engine is going to take. */
  begin?(counter: Counter): void;
  /** Called with how many bytes an attempt of the engine's has taken. */
  passed?(bytes: number): void;
  /** At most `max` bytes by the runtime's own means; undefined at the end. */
  read(max: number, offset: number | undefined): Promise<Uint8Array | undefined>;
  /** Calls back when the runtime's object is closed by others. */
  watch?(closed: (error?: unknown) => void): void;
  /**
   * Waits until the runtime has told of a reset that it took from the kernel: that is told once (SO_ERROR, socket(7)), and
   * a read after that finds the end of the stream.
   */
  hearEnd?(): Promise<void>;
  /** Makes the runtime read on while something else is waited for, so that a reset is heard of. */
  listen?(): void;
  /** Stops the runtime from reading and waits for the read that it may have begun. Undefined: nothing to wait for. */
  quiet?(): Promise<void> | undefined;
  /** Throws where what was sent, `moved` bytes, may not have been the source's. */
  verify?(moved: number): void;
  /** Gives it back to the runtime or closes what `open` opened. `broken`: its connection has failed. */
  end(broken: boolean): Promise<void> | undefined;
}
