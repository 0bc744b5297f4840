/**
 * What is undocumented in node:stream, node:fs and node:http and yet has to be known here. It has stood since
 * Node 14, Deno ports the same code, and where a name is missing a stream simply goes Node's own way.
 */
import type { ReadStream, WriteStream } from "node:fs";
import fs from "node:fs";
import type { OutgoingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";

interface ReadableInternals {
  readonly _readableState?: { readonly pipes?: readonly Writable[]; readonly awaitDrainWriters?: unknown };
}

/** The targets that a readable is piped to. */
export function pipesOf(stream: Readable): readonly Writable[] {
  return (stream as Readable & ReadableInternals)._readableState?.pipes ?? [];
}

/** Whether somebody has paused the stream, other than pipe() itself, which waits for its target to drain. */
export function isPaused(stream: Readable): boolean {
  const waiting = (stream as Readable & ReadableInternals)._readableState?.awaitDrainWriters ?? null;
  return stream.readableFlowing !== true && waiting === null;
}

/** fs.ReadStream and fs.WriteStream: the position of the next byte; undefined where that is the descriptor's own. */
export interface FileStreamInternals {
  fd: number | null;
  pos: number | undefined;
  readonly autoClose: boolean;
}

export type FileReader = ReadStream & FileStreamInternals & { start: number | undefined; end: number };
export type FileWriter = WriteStream & FileStreamInternals & { bytesWritten: number };

const functions = ["close", "read", "write", "writev"] as const;
const originals = functions.map((name) => fs[name]);

/** The stream's own symbols of that description: private, and the same for all streams of a class. */
function symbolOf(stream: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(stream).find((each) => each.description === description);
}

const symbols = new Map<string, symbol>();

/** A value under one of the stream's own symbols. */
function hidden(stream: object, description: string): unknown {
  const known = symbols.get(description) ?? symbolOf(stream, description);
  if (known === undefined) return undefined;
  symbols.set(description, known);
  return Reflect.get(stream, known);
}

/** Whether node:fs itself works on the stream's own descriptor: not a FileHandle, nor functions that stand in its place. */
export function isPlainFd(stream: ReadStream | WriteStream): boolean {
  const own = hidden(stream, "kFs");
  return (own === undefined || own === fs) && functions.every((name, index) => fs[name] === originals[index]);
}

/** Whether the file is read and written by node:fs, be it through a FileHandle. */
export function isPlainFile(stream: ReadStream | WriteStream): boolean {
  return isPlainFd(stream) || hidden(stream, "kHandle") !== undefined;
}

/** http.OutgoingMessage. */
export interface MessageInternals {
  readonly _header: string | null;
  _headerSent: boolean;
  readonly _hasBody: boolean;
  readonly _contentLength: number | null;
  readonly _removedContLen: boolean;
  readonly chunkedEncoding: boolean;
  readonly strictContentLength: boolean;
  readonly outputData: readonly unknown[];
  readonly finished: boolean;
  _implicitHeader(): void;
  _send(data: string | Uint8Array, encoding?: BufferEncoding | null): boolean;
}

export function messageInternals(message: OutgoingMessage): OutgoingMessage & MessageInternals {
  return message as OutgoingMessage & MessageInternals;
}

/** net.Socket. */
export interface SocketInternals {
  readonly _bytesDispatched?: number;
  /** The message of node:http whose turn it is. */
  readonly _httpMessage?: unknown;
  _onTimeout?(): void;
  _unrefTimer?(): void;
}

export function socketInternals(socket: Socket): Socket & SocketInternals {
  return socket as Socket & SocketInternals;
}
