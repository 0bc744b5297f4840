/**
 * What a hand-over relies on in a runtime beyond what is documented, and a trial of each kind that shows it to hold: a
 * hand-over between real streams, whose every byte is compared. A release of the runtime that breaks something then
 * costs speed, and no bytes.
 */
import { EventEmitter, once } from "node:events";
import type { ReadStream } from "node:fs";
import { ClientRequest, IncomingMessage, OutgoingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import type { Bed } from "./bed.ts";
import { parseOn, takeMessages } from "../parser.ts";
import { uneven } from "../hooks/ledger.ts";
import type { Follow } from "../hooks/message-hook.ts";
import { notePipe } from "../hooks/pipes.ts";
import { report } from "../report.ts";
import type { Kind } from "../hooks/surroundings.ts";

/** The hooks under trial. */
export interface Hooks {
  readonly file: ReadStream["_read"];
  readonly socket: Socket["_read"];
  readonly message: Follow;
}

/** Why a trial could not be made: what would be tried has been replaced, as each stream will say for itself. */
export class Objection extends Error {}

interface Trial {
  /** Parts of the runtime that are not documented and that it shows to do what they are taken for. */
  readonly relies: readonly string[];
  /** Rejects, saying what was wrong. */
  run(bed: Bed, hooks: Hooks): Promise<void>;
}

const text = (words: string): Buffer => Buffer.from(words, "latin1");

/** An event that is going to be awaited: what fails meanwhile fails the trial, and nothing else. */
function expect(stream: Readable | Writable, event: "end" | "finish"): Promise<unknown> {
  const came = once(stream, event);
  came.catch(() => {});
  return came;
}

function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const whole = expect(stream, "end").then(() => Buffer.concat(chunks));
  whole.catch(() => {});
  return whole;
}

function counts(what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`${what} is ${actual} after ${expected} bytes`);
}

function same(actual: Buffer, ...expected: readonly Uint8Array[]): void {
  const whole = Buffer.concat(expected);
  if (actual.equals(whole)) return;
  const at = actual.findIndex((byte, index) => byte !== whole[index]);
  throw new Error(
    `${actual.length} bytes came of ${whole.length}, the first wrong one at ${at < 0 ? actual.length : at}`,
  );
}

/** Pipes a source that has been given a hook, and resolves at its end, when bytes of it have been handed over. */
async function pipe(source: Readable, target: Writable, end: boolean): Promise<void> {
  const ended = expect(source, "end");
  notePipe(source, target);
  source.pipe(target, { end });
  await ended;
  const { native = false, reason = "nobody asked for it" } = report(source) ?? {};
  if (native) return;
  if (reason === uneven) throw new Error(reason);
  throw new Objection(reason);
}

async function sendFile(bed: Bed, hooks: Hooks, content: Uint8Array, target: Writable, end: boolean): Promise<void> {
  const source = bed.reader(bed.file(content));
  source._read = hooks.file;
  await pipe(source, target, end);
  counts("bytesRead", source.bytesRead, content.byteLength);
}

/** What is in a file: by a hand-over, since not every runtime reads descriptors that it has not opened. */
async function contentOf(bed: Bed, hooks: Hooks, fd: number): Promise<Buffer> {
  const [near, far] = bed.connect();
  const content = collect(far);
  const source = bed.reader(fd);
  source._read = hooks.file;
  await pipe(source, near, true);
  return await content;
}

/** A response without a server, which an agent that watches servers would tell of. */
function responseOn(socket: Socket): ServerResponse {
  const request = new IncomingMessage(socket);
  request.method = "GET";
  request.httpVersionMajor = request.httpVersionMinor = 1;
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  // What a server does.
  socket.on("drain", () => response.emit("drain"));
  response.once("finish", () => response.detachSocket(socket));
  return response;
}

/** A request that no agent hears of which watches clients: made without their class's constructor, and not told of when it is sent. */
function requestOn(socket: Socket): ClientRequest {
  const request = Reflect.construct(OutgoingMessage, [], ClientRequest) as ClientRequest;
  request.method = "PUT";
  request.path = "/";
  Object.assign(request, { _finish: Reflect.get(OutgoingMessage.prototype, "_finish") });
  // It gets no answer.
  request.on("error", () => {}).onSocket(socket);
  return request;
}

const starts = { response: "HTTP/1.1 200 ", request: "PUT / HTTP/1.1\r\n" } as const;

type Outgoing = keyof typeof starts;

/** The body of the one message in these bytes (RFC 9112 §6). */
function bodyOf(bytes: Buffer, kind: Outgoing): Buffer {
  const start = bytes.indexOf("\r\n\r\n") + 4;
  const head = bytes.toString("latin1", 0, start);
  if (!head.startsWith(starts[kind])) throw new Error(`a ${kind} came without its head`);
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(head)) return bytes.subarray(start);
  const chunks: Buffer[] = [];
  for (let at = start; ;) {
    const line = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
    if (!(size > 0)) return Buffer.concat(chunks);
    chunks.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

/** `send` gives a message that body. */
async function sendMessage(
  bed: Bed,
  kind: Outgoing,
  content: Buffer,
  announced: boolean,
  send: (message: Writable) => Promise<void>,
): Promise<void> {
  const [near, far] = bed.connect();
  const arrived = collect(far);
  const message = kind === "response" ? responseOn(near) : requestOn(near);
  if (announced) message.setHeader("content-length", content.length);
  const finished = expect(message, "finish");
  await send(message);
  await finished;
  near.end();
  same(bodyOf(await arrived, kind), content);
}

async function sendFiles(bed: Bed, hooks: Hooks, kind: Outgoing): Promise<void> {
  for (const content of [bed.large, bed.small])
    for (const announced of [true, false])
      await sendMessage(bed, kind, content, announced, (message) => sendFile(bed, hooks, content, message, true));
}

async function passMessages(bed: Bed, hooks: Hooks, kind: Outgoing): Promise<void> {
  for (const from of incoming) {
    const announced = from === "request";
    await sendMessage(bed, kind, bed.large, announced, (message) => receive(bed, hooks, from, message, true));
  }
}

/** Sends into a socket from its far end, and pipes it on. */
async function passOn(bed: Bed, hooks: Hooks, target: Writable): Promise<void> {
  const [near, far] = bed.connect();
  near._read = hooks.socket;
  far.end(bed.large);
  await pipe(near, target, true);
  counts("bytesRead", near.bytesRead, bed.large.length);
}

/** A server's requests have another parser than a client's responses. */
const incoming = ["request", "response"] as const;

type Incoming = (typeof incoming)[number];

const firstLines = { request: "POST / HTTP/1.1\r\nhost: trial", response: "HTTP/1.1 200 OK" } as const;

/** A message with that body. */
const messageOf = (kind: Incoming, body: Buffer): Buffer =>
  Buffer.concat([text(`${firstLines[kind]}\r\ncontent-length: ${body.length}\r\n\r\n`), body]);

/** Has node:http read a connection. */
async function parse(kind: Incoming, socket: Socket): Promise<void> {
  if (kind === "request") parseOn(socket);
  else await once(requestOn(socket), "socket");
}

/** The first and the second message that come, before the connection closes. */
function messagesOn(socket: Socket): readonly Promise<IncomingMessage>[] {
  const arrivals = new EventEmitter();
  let number = 0;
  takeMessages(socket, (message) => arrivals.emit(`${(number += 1)}`, message));
  arrivals.on("error", () => {});
  socket.once("close", () => arrivals.emit("error", new Error("a message was not found in its connection")));
  return ["1", "2"].map((name) => {
    const came = once(arrivals, name).then(([message]) => message as IncomingMessage);
    came.catch(() => {});
    return came;
  });
}

/**
 * A message that is piped on. A request has another one behind it in the same stream, which is to be found behind the body; a
 * client frees its parser there.
 */
async function receive(bed: Bed, hooks: Hooks, kind: Incoming, target: Writable, end: boolean): Promise<void> {
  const [near, far] = bed.connect();
  await parse(kind, near);
  const messages = messagesOn(near);
  const bodies = kind === "request" ? [bed.large, bed.small] : [bed.large];
  const sent = Buffer.concat(bodies.map((body) => messageOf(kind, body)));
  far.end(sent);
  const [first, second] = messages;
  const message = await first;
  if (message === undefined) throw new Error("no message came");
  hooks.message(message, target);
  await pipe(message, target, end);
  const next = kind === "request" ? await second : undefined;
  if (next !== undefined) same(await collect(next), bed.small);
  counts("bytesRead", near.bytesRead, sent.length);
}

const ofFiles = ["ReadStream: _read at its first read, fd, pos, start, end, bytesRead, kFs, kHandle"];
const ofStreams = [
  "Readable: _readableState.pipes and awaitDrainWriters; push(null) ends it; an unanswered _read is not repeated",
  "Writable: an own _write is called with the chunk itself, one at a time and in order, while _writev is null",
];
const ofSockets = ["Socket: _handle.fd, _bytesDispatched, bytesWritten, _onTimeout, _unrefTimer"];
const ofHandles = ["Socket: _read starts its handle; _handle.reading, readStart, readStop, bytesRead"];
const ofOutgoing = [
  "OutgoingMessage: _header, _headerSent, _implicitHeader, _hasBody, _contentLength, _removedContLen, chunkedEncoding, outputData",
  "Socket: _httpMessage is the message whose turn it is",
];
const ofMessages = [
  "IncomingMessage: _read; push is called with each part of the body; rawHeaders, complete",
  "Socket: parser, _paused; its one listener of 'data' is socketOnData, by which the parser takes bytes",
  "HTTPParser: incoming, kOnBody, maxHeaderPairs, getCurrentBuffer; without its callback it counts the bytes of a body",
];
const ofWriters = ["WriteStream: fd, pos, bytesWritten, kFs"];

export const trials: Readonly<Partial<Record<Kind, Trial>>> = {
  "file to socket": {
    relies: [...ofFiles, ...ofStreams, ...ofSockets],
    async run(bed, hooks) {
      const [near, far] = bed.connect();
      const arrived = collect(far);
      near.write("before");
      await sendFile(bed, hooks, bed.large, near, false);
      near.write("between");
      await sendFile(bed, hooks, bed.small, near, false);
      near.end("after");
      const whole = await arrived;
      same(whole, text("before"), bed.large, text("between"), bed.small, text("after"));
      counts("bytesWritten", near.bytesWritten, whole.length);
    },
  },
  "file to response": {
    relies: [...ofFiles, ...ofStreams, ...ofSockets, ...ofOutgoing],
    run: (bed, hooks) => sendFiles(bed, hooks, "response"),
  },
  "file to request": {
    relies: [...ofFiles, ...ofStreams, ...ofSockets, ...ofOutgoing, "ClientRequest: emits 'socket' before it writes"],
    run: (bed, hooks) => sendFiles(bed, hooks, "request"),
  },
  "file to file": {
    relies: [...ofFiles, ...ofStreams, ...ofWriters],
    async run(bed, hooks) {
      const fd = bed.file(new Uint8Array(0));
      const target = bed.writer(fd);
      const finished = expect(target, "finish");
      // Nothing is written by the runtime itself: Deno does not know descriptors that it has not opened.
      await sendFile(bed, hooks, bed.large, target, false);
      await sendFile(bed, hooks, bed.small, target, true);
      await finished;
      counts("bytesWritten", target.bytesWritten, bed.large.length + bed.small.length);
      same(await contentOf(bed, hooks, fd), bed.large, bed.small);
    },
  },
  "socket to socket": {
    relies: [...ofHandles, ...ofStreams, ...ofSockets],
    async run(bed, hooks) {
      const [near, far] = bed.connect();
      const arrived = collect(far);
      await passOn(bed, hooks, near);
      same(await arrived, bed.large);
    },
  },
  "socket to file": {
    relies: [...ofHandles, ...ofStreams, ...ofWriters],
    async run(bed, hooks) {
      const fd = bed.file(new Uint8Array(0));
      const target = bed.writer(fd);
      const finished = expect(target, "finish");
      await passOn(bed, hooks, target);
      await finished;
      same(await contentOf(bed, hooks, fd), bed.large);
    },
  },
  "message to socket": {
    relies: [...ofMessages, ...ofHandles, ...ofStreams, ...ofSockets],
    async run(bed, hooks) {
      for (const kind of incoming) {
        const [near, far] = bed.connect();
        const arrived = collect(far);
        await receive(bed, hooks, kind, near, true);
        same(await arrived, bed.large);
      }
    },
  },
  "message to response": {
    relies: [...ofMessages, ...ofHandles, ...ofStreams, ...ofSockets, ...ofOutgoing],
    run: (bed, hooks) => passMessages(bed, hooks, "response"),
  },
  "message to request": {
    relies: [...ofMessages, ...ofHandles, ...ofStreams, ...ofSockets, ...ofOutgoing],
    run: (bed, hooks) => passMessages(bed, hooks, "request"),
  },
  "message to file": {
    relies: [...ofMessages, ...ofHandles, ...ofStreams, ...ofWriters],
    async run(bed, hooks) {
      for (const kind of incoming) {
        const fd = bed.file(new Uint8Array(0));
        const target = bed.writer(fd);
        const finished = expect(target, "finish");
        await receive(bed, hooks, kind, target, true);
        await finished;
        same(await contentOf(bed, hooks, fd), bed.large);
      }
    },
  },
};
