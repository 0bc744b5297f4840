/** Whether a stream's bytes are handed to the kernel: where that can be done unnoticed. Else Node reads them. */
import { WriteStream } from "node:fs";
import { ClientRequest, OutgoingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { isGone, onConnectionEnd } from "../sinks/connection-end.ts";
import { machineFor } from "../../engine/machine.ts";
import type { Runtime } from "../../runtime.ts";
import type { Feed } from "../feeds/feed.ts";
import { FileSink } from "../sinks/file-sink.ts";
import { HandOver } from "../hand-over/hand-over.ts";
import { isPaused, pipesOf } from "../internals.ts";
import { replacedReading } from "../originals.ts";
import { lastTargetOf } from "./pipes.ts";
import { keepPromise } from "../sinks/promised.ts";
import { tell } from "../report.ts";
import { RequestSink } from "../sinks/request-sink.ts";
import { ResponseSink } from "../sinks/response-sink.ts";
import type { Sink } from "../sinks/sink.ts";
import { SocketSink } from "../sinks/socket-sink.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Route } from "../hand-over/route.ts";
import { Tally } from "../hand-over/tally.ts";

/** A sink for what a stream is piped to, or why there can be none. */
function sinkOf(target: Writable, runtime: Runtime): Sink | string {
  if (target instanceof ServerResponse) return new ResponseSink(target, runtime);
  if (target instanceof ClientRequest) return new RequestSink(target, runtime);
  if (target instanceof Socket) return new SocketSink(target, runtime);
  if (target instanceof WriteStream) return new FileSink(target);
  return `the target is not a response, socket or file but ${target.constructor.name}`;
}

/** The one target of a stream that has no other reader, or why there is none. */
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

/** Whether the stream was on its way to a peer that has gone: it would never be read, nor closed. */
function isLeftBehind(stream: Readable, target: Writable | undefined): boolean {
  if (!(target instanceof OutgoingMessage || target instanceof Socket)) return false;
  return isGone(target) && stream.listenerCount("data") <= pipesOf(stream).length;
}

/** What goes Node's way only because a process has just begun closes its file with its peer's connection all the same. */
function closeWithPeer(stream: Readable, target: Writable | undefined): void {
  const close = () => {
    if (stream.listenerCount("data") <= pipesOf(stream).length) stream.destroy();
  };
  if (target instanceof ServerResponse && target.req.socket instanceof Socket)
    stream.once("close", onConnectionEnd(target.req.socket, close));
  if (!(target instanceof ClientRequest)) return;
  target.once("close", close);
  stream.once("close", () => target.off("close", close));
}

interface Impossible {
  readonly target: Writable | undefined;
  readonly objection: string;
  /** Whether it is one of the first moments of a process, when nothing has been proven yet. */
  readonly isPending?: boolean | undefined;
}

/** What a hand-over takes, or why there can be none. */
export function decide(stream: Readable, feed: Feed, surroundings: Surroundings): Route | Impossible {
  const ends = look(stream, feed, surroundings);
  const { target, sink } = ends;
  const machine = ends.objection ?? machineFor(surroundings.runtime);
  if (typeof machine === "string") return { target, objection: machine };
  if (machine.engine === undefined || sink === undefined || target === undefined)
    return { target, objection: String(machine.native) };
  const kind = `${feed.kind} to ${sink.kind}` as const;
  const objection = surroundings.checks?.objection(kind);
  return objection === undefined
    ? { feed, sink, target, machine, engine: machine.engine, tally: feed.tally ?? new Tally() }
    : { target, objection, isPending: surroundings.checks?.isPending(kind) };
}

/** Hands a stream over, or says why not: what is found here, or what the caller knows. */
export function handOver(stream: Readable, feed: Feed, surroundings: Surroundings, known?: string): void {
  const decision = decide(stream, feed, surroundings);
  const inPart = stream.readableLength > 0 ? "the stream has been read in part" : undefined;
  const objection = "objection" in decision ? decision.objection : (known ?? inPart);
  const { target } = decision;
  if ("sink" in decision && objection === undefined) {
    const told = (reason: string, goesOn: boolean) =>
      tell(stream, target, decision.tally, reason, goesOn, surroundings);
    return new HandOver(decision, told).start();
  }
  tell(stream, target, feed.tally ?? new Tally(), objection ?? "", true, surroundings);
  // A message's answer is what it was: a proxy copies the length of another server, which may break it.
  const isPromise = target instanceof OutgoingMessage && feed.kind !== "message";
  if (isPromise && surroundings.disabled === undefined) keepPromise(target);
  if (stream.destroyed) return;
  if (isLeftBehind(stream, target) && feed.closesItself) return void stream.destroy();
  const isPending = "isPending" in decision && decision.isPending === true;
  if (isPending && feed.closesItself) closeWithPeer(stream, target);
  feed.giveBack();
}
