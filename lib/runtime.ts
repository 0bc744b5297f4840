/** What only a runtime can give: the FFI, a way to be woken, and the descriptors under its objects. */
import type { Socket } from "node:net";
import type { Native } from "../core/abi/abi.ts";
import type { SourceEnd } from "./ends/source.ts";
import type { TargetEnd } from "./ends/target.ts";
import type { OwnServer, ServerTraits } from "./fetch/traits.ts";

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

/** What the library does on one runtime or another, and not on all. */
export type Unsupported =
  /** Handing streams of node:stream to the kernel. */
  | "streams"
  /** Handing over streams whose source is a socket. */
  | "socketStreams"
  /** Reading a net.Socket that stays the caller's. */
  | "sharedSockets"
  /** What a message of node:http is sent, on its own connection. */
  | "messages"
  /** Notices of the kernel in the error queue of a socket that the runtime polls. */
  | "socketNotices";

export interface Runtime {
  readonly name: string;
  /** An environment variable, or undefined where it is not set or may not be read. Never prompts. */
  env(name: string): string | undefined;
  /** Binds the library at a path. Throws where the file, the FFI or a permission is missing. Never prompts. */
  bind(path: string): Native;
  /**
   * An ArrayBuffer over memory of the engine's, which is not freed with it: the keeper of the buffer sees to it that
   * the memory stays. `length` is from 1 to 2^32.
   */
  view(address: bigint, length: number): ArrayBuffer;
  /** Opens a context whose completions call `onWake` on the event loop. Starts unreferenced. */
  openWaker(native: Native, onWake: () => void): Waker;
  /** What can't be had here, and why. */
  readonly unsupported: Readonly<Partial<Record<Unsupported, string>>>;
  /**
   * Whether only closing a net.Socket, or an object of the runtime's own, keeps the runtime from reading it for good: it would
   * take bytes from what reads the descriptor meanwhile.
   */
  readonly readsAhead?: boolean;
  /** Whether its fetch() leaves a body in its coding, where it is asked to. */
  readonly fetchesCoded?: boolean;
  /** Whether access(), statfs() and the user's id want a permission of their own, for which a terminal is asked. */
  readonly guardsSystem?: boolean;
  /** Whether this isolate is a Worker's, which may be gone at any moment. */
  isWorker(): boolean;
  /**
   * Opens a descriptor of the engine's once more, by flags of open(2), where node:fs knows only what it has opened itself. The
   * engine's stays open.
   */
  reopen?(fd: number, flags: number): number;
  /** Whether /proc/self/fd may be tried; absent where no terminal is ever asked for that. */
  seesDescriptors?(): boolean;
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
  /** Absent where servers of node:http do all that is asked of them. */
  readonly server?: ServerTraits;
  /** Absent where the runtime's own server takes what any other does. */
  readonly ownServer?: OwnServer;
}
