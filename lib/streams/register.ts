/**
 * The preload. Methods of one prototype are replaced, so that streams made by whichever copy of whichever import of
 * node:fs are reached, and nothing else of the process changes.
 */
import { ReadStream } from "node:fs";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { Readable, type Writable } from "node:stream";
import type { Runtime } from "../runtime.ts";
import { switchedOff } from "../support/environment.ts";
import { hooksOf, readSocket } from "./install.ts";
import type { Follow } from "./hooks/message-hook.ts";
import { pipesOf } from "./internals.ts";
import { notePipe } from "./hooks/pipes.ts";
import { warnPortable } from "./portable-warning.ts";

type PipeOptions = Parameters<Readable["pipe"]>[1];

/**
 * Two sockets that are piped to each other are a proxy's: from their first read of bulk on, each direction is spliced.
 * What else an app pipes its sockets to is left alone, so that a socket that is not proxied pays for nothing.
 */
function registerSockets(read: Socket["_read"]): void {
  const { prototype } = Socket;
  const { pipe: original } = prototype;
  prototype.pipe = function pipe<T extends NodeJS.WritableStream>(this: Socket, target: T, options?: PipeOptions): T {
    if (target instanceof Socket) notePipe(this, target);
    if (target instanceof Socket && pipesOf(target).includes(this))
      for (const socket of [this, target]) if (socket._read === readSocket) socket._read = read;
    return original.call(this, target, options) as T;
  };
}

/** A message is looked at when it is piped, so that one whose body the app reads itself, or that has none, pays for nothing. */
function registerMessages(follow: Follow): void {
  const { prototype } = IncomingMessage;
  const { pipe: original } = prototype;
  prototype.pipe = function pipe<T extends NodeJS.WritableStream>(
    this: IncomingMessage,
    target: T,
    options?: PipeOptions,
  ): T {
    follow(this, target as unknown as Writable);
    return original.call(this, target, options) as T;
  };
}

export function register(runtime: Runtime): void {
  // Who has switched it off knows.
  if (switchedOff(runtime) !== undefined) return;
  // Not while the app starts; a short one is told, too.
  setImmediate(() => void warnPortable(runtime));
  const { file, socket, message } = hooksOf(runtime);
  registerSockets(socket);
  registerMessages(message);
  const { prototype } = ReadStream;
  prototype._read = file;
  prototype.pipe = function pipe<T extends NodeJS.WritableStream>(
    this: ReadStream,
    target: T,
    options?: PipeOptions,
  ): T {
    notePipe(this, target);
    return Readable.prototype.pipe.call(this, target, options) as T;
  };
}
