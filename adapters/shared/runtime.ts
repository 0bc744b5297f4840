/** What only a runtime can give: the FFI, a way to be woken, and the descriptors under its objects. */
import type { Socket } from "node:net";
import type { Native } from "../../core/abi.ts";

/** How completions reach the isolate. */
export interface Waker {
  /** The engine's context. */
  readonly context: number;
  /** Keeps the process alive while transfers are pending. */
  ref(): void;
  unref(): void;
}

export interface Runtime {
  readonly name: string;
  /** Binds the library at a path. Throws where the file, the FFI or a permission is missing; never prompts. */
  bind(path: string): Native;
  /** Opens a context whose completions call `onWake` on the event loop. Starts unreferenced. */
  openWaker(native: Native, onWake: () => void): Waker;
  /** The descriptor under a socket of node:net, or why there is none. */
  socketFd(socket: Socket): number | string;
}
