/** The `_read` that hands a stream's bytes to the kernel where that can be done unnoticed, and else is Node's own. */
import { type ReadStream, WriteStream } from "node:fs";
import { ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { type Machine, machineOf } from "../machine.ts";
import type { Runtime } from "../runtime.ts";
import { slot } from "../slot.ts";
import type { Feed } from "./feed.ts";
import { FileFeed } from "./file-feed.ts";
import { FileSink } from "./file-sink.ts";
import { HandOver } from "./hand-over.ts";
import { isPaused, pipesOf } from "./internals.ts";
import { replacedReading } from "./originals.ts";
import { keepPromise } from "./promised.ts";
import { tell } from "./report.ts";
import { type FileMethods, quickDestroy } from "./quick-close.ts";
import { ResponseSink } from "./response-sink.ts";
import type { Sink } from "./sink.ts";
import { SocketFeed } from "./socket-feed.ts";
import { SocketSink } from "./socket-sink.ts";
import { Tally } from "./tally.ts";

/** A readable with an `_read` of its own kind. */
type Read<S extends Readable> = (this: S, size: number) => void;

/** What the hooks need of their surroundings. */
export interface Surroundings {
  readonly runtime: Runtime;
  /** SLUICE_DEBUG. */
  readonly debug: boolean;
  /** Why nothing is handed over at all, or undefined. */
  readonly disabled: string | undefined;
}

/** A sink for what a stream is piped to, or why there can be none. */
function sinkOf(target: Writable, runtime: Runtime): Sink | string {
  if (target instanceof ServerResponse) return new ResponseSink(target, runtime);
  if (target instanceof Socket) return new SocketSink(target, runtime);
  if (target instanceof WriteStream) return new FileSink(target);
  return `the target is not a response, socket or file but ${target.constructor.name}`;
}

/** What a stream was piped to last. */
const lastTarget = slot<NodeJS.WritableStream>();

/** Remembers what a stream is piped to: a target that is closed before the file is open unpipes it, and is forgotten. */
export function notePipe(stream: Readable, target: NodeJS.WritableStream): void {
  lastTarget.set(stream, target);
  // What came before an answer that waits for its turn can be seen when that comes, which may be before the file is open.
  if (target instanceof ServerResponse && target.socket === null) keepPromise(target);
}

/** The one target of a stream that nobody else reads, or why there is none. */
function onlyTarget(stream: Readable): Writable | string {
  const [target, ...others] = pipesOf(stream);
  if (target === undefined && stream.readableFlowing === false) return "the stream was unpiped before it was read";
  if (target === undefined) return "the stream was read before it was piped";
  if (others.length > 0) return "the stream is piped to several targets";
  if (stream.listenerCount("data") > 1 || stream.listenerCount("readable") > 0) return "somebody else reads the stream";
  if (isPaused(stream)) return "the stream is paused";
  if (stream.readableEncoding !== null) return "the stream is decoded";
  if (stream.readableLength > 0) return "the stream has been read in part";
  const replaced = replacedReading(stream);
  return replaced === undefined ? target : `the stream's ${replaced} has been replaced`;
}

interface Ends {
  readonly target: Writable | undefined;
  readonly sink: Sink | undefined;
  readonly objection: string | undefined;
}

function look(stream: Readable, feed: Feed, { runtime, disabled }: Surroundings): Ends {
  const target = onlyTarget(stream);
  if (typeof target === "string")
    return { target: lastTarget.get(stream) as Writable | undefined, sink: undefined, objection: target };
  const sink = disabled ?? sinkOf(target, runtime);
  if (typeof sink === "string") return { target, sink: undefined, objection: sink };
  return { target, sink, objection: feed.objection() ?? sink.objection() };
}

/** The machine, or why there is none. Looked at when the first stream could be handed over. */
function machineFor(runtime: Runtime): Machine | string {
  try {
    return machineOf(runtime);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Whether the stream was on its way to a client that has gone: nobody would ever read it, nor close it. */
function isLeftBehind(stream: Readable, target: Writable | undefined): boolean {
  if (!(target instanceof ServerResponse || target instanceof Socket)) return false;
  // A response hears of the end of its connection only later.
  const connection = target instanceof ServerResponse ? target.socket : undefined;
  const gone = target.destroyed || connection?.destroyed === true || connection?.writableEnded === true;
  return gone && stream.listenerCount("data") <= pipesOf(stream).length;
}

/** Hands a stream over, or says why not. */
function handOver(stream: Readable, feed: Feed, surroundings: Surroundings): void {
  const { target, sink, objection } = look(stream, feed, surroundings);
  const tally = new Tally();
  const told = (reason: string) => tell(stream, target, tally, reason, surroundings.debug);
  const machine = objection ?? machineFor(surroundings.runtime);
  if (typeof machine !== "string" && machine.engine !== undefined && sink !== undefined && target !== undefined)
    return new HandOver(machine, machine.engine, feed, sink, target, tally, told).start();
  told(typeof machine === "string" ? machine : String(machine.native));
  if (target instanceof ServerResponse && surroundings.disabled === undefined) keepPromise(target);
  if (isLeftBehind(stream, target) && feed.closesItself) stream.destroy();
  else feed.giveBack();
}

/**
 * Makes an `_read` for files out of Node's own. The first call decides for the stream's whole life: then the file is
 * open, and the listeners of 'open' have run.
 */
export function fileRead(original: FileMethods, surroundings: Surroundings): FileMethods["_read"] {
  const decided = slot<true>();
  const { runtime } = surroundings;
  const native = () => {
    const machine = machineFor(runtime);
    return typeof machine === "string" || typeof machine.native === "string" ? undefined : machine.native;
  };
  const methods = { ...original, _destroy: quickDestroy(original, native) };
  function _read(this: ReadStream, size: number): void {
    // A class of its own that calls this one reads in its own manner.
    if (decided.get(this) || this._read !== _read) return original._read.call(this, size);
    decided.set(this, true);
    handOver(this, new FileFeed(this, methods), surroundings);
  }
  return _read;
}

/** Bytes of one read that are more than messages: a socket that sends less at a time is served faster where it is. */
const bulkBytes = 16_384;

/** Makes an `_read` for sockets out of Node's own. The first call after a read of bulk decides. */
export function socketRead(original: Read<Socket>, surroundings: Surroundings): Read<Socket> {
  const { runtime } = surroundings;
  const before = slot<number>();
  const decided = slot<true>();
  return function _read(this: Socket, size: number): void {
    const { bytesRead } = this;
    const isBulk = bytesRead - (before.get(this) ?? bytesRead) >= bulkBytes || runtime.keepsSockets !== undefined;
    before.set(this, bytesRead);
    if (!isBulk || decided.get(this) || pipesOf(this).length === 0 || this.readableLength > 0)
      return original.call(this, size);
    decided.set(this, true);
    handOver(this, new SocketFeed(this, runtime, original), surroundings);
  };
}
