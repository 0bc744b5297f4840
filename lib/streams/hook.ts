/** Hands a stream's bytes to the kernel where that can be done unnoticed, and else lets Node read them. */
import { type ReadStream, WriteStream } from "node:fs";
import { ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { onConnectionEnd } from "./connection-end.ts";
import type { Engine } from "../engine/engine.ts";
import { type Machine, machineFor } from "../engine/machine.ts";
import type { Runtime } from "../runtime.ts";
import { slot } from "../support/slot.ts";
import type { Feed } from "./feed.ts";
import { FileFeed } from "./file-feed.ts";
import { FileSink } from "./file-sink.ts";
import { HandOver } from "./hand-over.ts";
import { isPaused, pipesOf } from "./internals.ts";
import { replacedReading } from "./originals.ts";
import { lastTargetOf } from "./pipes.ts";
import { keepPromise } from "./promised.ts";
import { tell } from "./report.ts";
import { type FileMethods, quickDestroy } from "./quick-close.ts";
import { ResponseSink } from "./response-sink.ts";
import type { Sink } from "./sink.ts";
import { SocketSink } from "./socket-sink.ts";
import type { Surroundings } from "./surroundings.ts";
import { Tally } from "./tally.ts";

/** A sink for what a stream is piped to, or why there can be none. */
function sinkOf(target: Writable, runtime: Runtime): Sink | string {
  if (target instanceof ServerResponse) return new ResponseSink(target, runtime);
  if (target instanceof Socket) return new SocketSink(target, runtime);
  if (target instanceof WriteStream) return new FileSink(target);
  return `the target is not a response, socket or file but ${target.constructor.name}`;
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
  if (typeof target === "string") return { target: lastTargetOf(stream), sink: undefined, objection: target };
  const sink = disabled ?? sinkOf(target, runtime);
  if (typeof sink === "string") return { target, sink: undefined, objection: sink };
  return { target, sink, objection: feed.objection() ?? sink.objection() };
}

/** Whether the stream was on its way to a client that has gone: nobody would ever read it, nor close it. */
function isLeftBehind(stream: Readable, target: Writable | undefined): boolean {
  if (!(target instanceof ServerResponse || target instanceof Socket)) return false;
  // A response hears of the end of its connection only later.
  const connection = target instanceof ServerResponse ? target.socket : undefined;
  const gone = target.destroyed || connection?.destroyed === true || connection?.writableEnded === true;
  return gone && stream.listenerCount("data") <= pipesOf(stream).length;
}

/** What goes Node's way only because a process has just begun closes its file with its client's connection all the same. */
function closeWithClient(stream: Readable, { req }: ServerResponse): void {
  if (!(req.socket instanceof Socket)) return;
  const forget = onConnectionEnd(req.socket, () => {
    if (stream.listenerCount("data") <= pipesOf(stream).length) stream.destroy();
  });
  stream.once("close", forget);
}

interface Possible {
  readonly target: Writable;
  readonly sink: Sink;
  readonly machine: Machine;
  readonly engine: Engine;
}

interface Impossible {
  readonly target: Writable | undefined;
  readonly objection: string;
  /** Whether it is one of the first moments of a process, when nothing has been proven yet. */
  readonly isPending?: boolean | undefined;
}

/** What a hand-over takes, or why there can be none. */
export function decide(stream: Readable, feed: Feed, surroundings: Surroundings): Possible | Impossible {
  const ends = look(stream, feed, surroundings);
  const { target, sink } = ends;
  const machine = ends.objection ?? machineFor(surroundings.runtime);
  if (typeof machine === "string") return { target, objection: machine };
  if (machine.engine === undefined || sink === undefined || target === undefined)
    return { target, objection: String(machine.native) };
  const kind = `${feed.kind} to ${sink.kind}` as const;
  const objection = surroundings.checks?.objection(kind);
  return objection === undefined
    ? { target, sink, machine, engine: machine.engine }
    : { target, objection, isPending: surroundings.checks?.isPending(kind) };
}

/** Hands a stream over, or says why not: what is found here, or what the caller knows. */
export function handOver(stream: Readable, feed: Feed, surroundings: Surroundings, known?: string): void {
  const decision = decide(stream, feed, surroundings);
  const inPart = stream.readableLength > 0 ? "the stream has been read in part" : undefined;
  const objection = "objection" in decision ? decision.objection : (known ?? inPart);
  const { target } = decision;
  const tally = new Tally();
  const told = (reason: string) => tell(stream, target, tally, reason, surroundings);
  if ("sink" in decision && objection === undefined)
    return new HandOver(decision.machine, decision.engine, feed, decision.sink, decision.target, tally, told).start();
  told(objection ?? "");
  if (target instanceof ServerResponse && surroundings.disabled === undefined) keepPromise(target);
  if (stream.destroyed) return;
  if (isLeftBehind(stream, target) && feed.closesItself) return void stream.destroy();
  const isPending = "isPending" in decision && decision.isPending === true;
  if (isPending && feed.closesItself && target instanceof ServerResponse) closeWithClient(stream, target);
  feed.giveBack();
}

/**
 * Makes an `_read` for files out of Node's own. The first call decides for the stream's whole life: then the file is
 * open, and the listeners of 'open' have run. What is decided begins when Node's own call has returned: it may have
 * something in hand that was put in front of the file (unshift()).
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
    process.nextTick(handOver, this, new FileFeed(this, methods), surroundings);
  }
  return _read;
}
