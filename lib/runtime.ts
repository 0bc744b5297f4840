/** What only a runtime can give: the FFI, a way to be woken, and the descriptors under its objects. */
import type { Socket } from "node:net";
import type { Native } from "../core/abi/abi.ts";
import type { SourceEnd } from "./ends/source.ts";
import type { TargetEnd } from "./ends/target.ts";

/** How completions reach the isolate. */
export interface Waker {
  /** The engine's context. */
  readonly context: number;
  /** Keeps the process alive while transfers are pending. */
  ref(): void;
  unref(): void;
}

/** A descriptor of a socket: the socket's own, or a duplicate that has to be given back. */
export interface SocketFd {
  readonly fd: number;
  release?(): void;
}

export interface Runtime {
  readonly name: string;
  /** An environment variable, or undefined where it is not set or may not be read. Never prompts. */
  env(name: string): string | undefined;
  /** Binds the library at a path. Throws where the file, the FFI or a permission is missing. Never prompts. */
  bind(path: string): Native;
  /**
   * An ArrayBuffer over memory of the engine's, which nobody frees with it: whoever keeps the buffer sees to it that
   * the memory stays. `length` is from 1 to 2^32.
   */
  view(address: bigint, length: number): ArrayBuffer;
  /** Opens a context whose completions call `onWake` on the event loop. Starts unreferenced. */
  openWaker(native: Native, onWake: () => void): Waker;
  /** Why no stream of node:stream can be handed to the kernel here, or undefined. */
  readonly keepsStreams?: string;
  /** Why streams leave sockets alone as sources, or undefined. */
  readonly keepsSockets?: string;
  /**
   * Whether only closing a net.Socket, or an object of the runtime's own, keeps the runtime from reading it for good: it would
   * take bytes from whoever reads the descriptor meanwhile.
   */
  readonly readsAhead?: boolean;
  /** Whether access(), statfs() and the user's id want a permission of their own, for which a terminal is asked. */
  readonly guardsSystem?: boolean;
  /** Why a net.Socket that stays the caller's is read by the runtime alone, or undefined. */
  readonly readsSockets?: string;
  /** Why the kernel must not put notices into the error queues of sockets that the runtime polls, or undefined. */
  readonly withoutNotices?: string;
  /** Whether this isolate is a Worker's, which may be gone at any moment. */
  isWorker(): boolean;
  /** The descriptor under a socket of node:net, or why there is none. */
  socketFd(socket: Socket): SocketFd | string;
  /** The error by which a connection has ended that the runtime calls ended, or undefined where that is so. */
  endedBy?(socket: Socket): Error | undefined;
  /** Keeps the runtime from reading a socket of node:net, from now on, whatever starts it; the answer lets it read again. */
  stopReading(socket: Socket): () => void;
  /** Recognises the runtime's own objects as sources. Throws where one can't be used, saying what can. */
  source?(value: object): SourceEnd | undefined;
  /** Recognises the runtime's own objects as targets. */
  target?(value: object): TargetEnd | undefined;
}
