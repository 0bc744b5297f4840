/** What streams were piped to: a target that is closed before a file is open unpipes it, and is forgotten by Node. */
import { OutgoingMessage } from "node:http";
import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { slot } from "../../support/slot.ts";
import { Ledger } from "./ledger.ts";
import { keepPromise } from "../sinks/promised.ts";

const lastTarget = slot<NodeJS.WritableStream>();
const ledgers = slot<Ledger>();

/** To be called as a stream is piped, before anything can flow. */
export function notePipe(stream: Readable, target: NodeJS.WritableStream): void {
  lastTarget.set(stream, target);
  // What came before a message that waits for its turn can be seen when that comes, which may be before the file is open.
  if (target instanceof OutgoingMessage && target.socket === null) keepPromise(target);
  if (stream instanceof Socket) ledgers.set(stream, new Ledger(stream, target as Writable));
}

export function lastTargetOf(stream: Readable): Writable | undefined {
  return lastTarget.get(stream) as Writable | undefined;
}

/** The account of the socket's last pipe. */
export function ledgerOf(socket: Socket): Ledger | undefined {
  return ledgers.get(socket);
}
