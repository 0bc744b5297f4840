import { type Native } from "../../core/abi/abi.ts";
import type { Waker } from "../../lib/runtime.ts";
export declare function bind(path: string): Native;
export declare const view: (address: bigint, length: number) => ArrayBuffer;
/**
 * A socket that libuv reads: 48 µs a round trip where koffi's own asynchronous calls take 109 µs and a
 * thread of libuv's pool each. The engine closes the context by itself when the socket loses its reader,
 * which is all that is seen of a terminated Worker.
 */
export declare function openWaker(native: Native, onWake: () => void): Waker;
