import type { Socket } from "node:net";
import type { SocketFd } from "../../lib/runtime.ts";
export { holdHandle as stopReading } from "../../lib/ends/socket-handle.ts";
/**
 * The descriptor, or why there is none. `_handle.fd` is libuv's, an implementation detail that has
 * stood since Node 0.11; test/node/socket-fd.test.ts holds it.
 */
export declare function socketFd(socket: Socket): SocketFd | string;
/**
 * libuv takes a hang-up after a short read for the end (uv__stream_io), though it may be that of a reset; read(2) tells them
 * apart. Nothing can come after a hang-up, so there is nothing that this could take.
 */
export declare function endedBy(socket: Socket): Error | undefined;
