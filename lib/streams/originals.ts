/**
 * Node's own functions through which the bytes of a body pass, as they were when this was loaded. Where another stands
 * in its place, on an object or on a class, those bytes are wanted elsewhere: agents that measure do that. Classes are
 * compared with the class that they inherit from, so that what was replaced on them before this was loaded is seen too;
 * a function that was replaced where it is at home before is taken for Node's own.
 */
import { EventEmitter } from "node:events";
import { OutgoingMessage } from "node:http";
import { Socket } from "node:net";
import { Duplex, Readable, Writable } from "node:stream";
import { isOurPush } from "./body.ts";

type Functions = Readonly<Record<string, unknown>>;

/** The functions of those names as a class has them. */
function functionsOf({ prototype }: { readonly prototype: object }, names: readonly string[]): Functions {
  return Object.fromEntries(names.map((name) => [name, Reflect.get(prototype, name)]));
}

const reading = functionsOf(Readable, ["push", "read"]);
const readingSocket = { ...functionsOf(Readable, ["push"]), ...functionsOf(Socket, ["read"]) };
const writing = functionsOf(Writable, ["write"]);
const writingSocket = functionsOf(Duplex, ["write"]);
const writingBeneath = functionsOf(Socket, ["_write", "_writev"]);
const answering = functionsOf(OutgoingMessage, ["write", "_send", "_writeRaw"]);
const { emit } = EventEmitter.prototype;

function replaced(object: object, functions: Functions): string | undefined {
  for (const name in functions) {
    const value: unknown = Reflect.get(object, name);
    if (value !== functions[name] && !isOurPush(value)) return name;
  }
  return undefined;
}

/** Of the class: a single stream's is its own affair. node:domain puts another in its place, which is not after bytes. */
function emitsItself(stream: Readable): boolean {
  const inherited: unknown = Reflect.get(Object.getPrototypeOf(stream) as object, "emit");
  return (
    inherited === emit ||
    (Reflect.get(EventEmitter, "usingDomains") === true && inherited === EventEmitter.prototype.emit)
  );
}

/** The function of a source that has been replaced, or undefined. */
export function replacedReading(stream: Readable): string | undefined {
  return (
    replaced(stream, stream instanceof Socket ? readingSocket : reading) ?? (emitsItself(stream) ? undefined : "emit")
  );
}

/** The function of a target that has been replaced. */
export function replacedWriting(stream: Writable): string | undefined {
  return replaced(stream, writing);
}

/** The socket's `_write` itself is the write lock's, once it has been locked; its class's tells. */
export function replacedSocketWriting(socket: Socket): string | undefined {
  return replaced(socket, writingSocket) ?? replaced(Object.getPrototypeOf(socket) as object, writingBeneath);
}

export function replacedAnswering(message: OutgoingMessage): string | undefined {
  return replaced(message, answering);
}
