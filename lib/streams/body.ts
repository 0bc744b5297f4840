/** The body of an http.IncomingMessage whose length is known: how much of it has come, by whatever way. */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { passableBytes } from "../../core/body.ts";
import { shadow } from "../support/shadow.ts";
import { slot } from "../support/slot.ts";
import type { Counter } from "./socket-account.ts";
import { Tally } from "./hand-over/tally.ts";

type Read = (this: IncomingMessage, size: number) => void;

/** Bytes that a target has been told to expect, and that the message itself is not to see. */
interface Claim {
  missing: number;
  readonly chunks: Uint8Array[];
  readonly resolve: (bytes: Uint8Array) => void;
}

const bodies = slot<Body | undefined>();
const { push: plainPush } = Readable.prototype;

function push(this: IncomingMessage, chunk: unknown, encoding?: BufferEncoding): boolean {
  const body = bodies.get(this);
  if (body === undefined || chunk === null) return plainPush.call(this, chunk, encoding);
  // What an app puts there itself is no body of the connection's.
  if (!(chunk instanceof Uint8Array)) body.isDecided = true;
  const rest = chunk instanceof Uint8Array ? body.arrive(chunk) : chunk;
  return rest === undefined || plainPush.call(this, rest, encoding);
}

export class Body {
  readonly length: number;
  /** What its hand-overs have come to. */
  readonly tally = new Tally();
  /** Bytes that have come. */
  came: number;
  /** Whether it goes Node's own way for good. */
  isDecided = false;
  /** Whether it is being handed over. */
  isHeld = false;
  /** What moves it past the runtime. */
  mover: Counter | undefined;
  #claim: Claim | undefined;
  readonly #undo: readonly (() => void)[];

  constructor(message: IncomingMessage, length: number, read: Read) {
    this.length = length;
    this.came = message.readableLength;
    this.#undo = [shadow(message, "push", push), shadow(message, "_read", read)];
  }

  /** Bytes that are still to come. */
  get left(): number {
    return this.length - this.came;
  }

  /** Of those, what may pass the parser by. */
  get passable(): number {
    return passableBytes(this.left);
  }

  /** Whether it is the target's peer that takes nothing, while its bytes pass the runtime by. */
  get isWaitedFor(): boolean {
    return this.mover !== undefined && this.mover.outstanding > 0;
  }

  /** The message is as it was. */
  leave(): void {
    this.isDecided = true;
    for (const undo of this.#undo) undo();
  }

  /** Counts bytes that the parser has found; the answer is what of them is the message's own. */
  arrive(chunk: Uint8Array): Uint8Array | undefined {
    this.came += chunk.byteLength;
    const claim = this.#claim;
    if (claim === undefined) return chunk;
    const taken = chunk.subarray(0, claim.missing);
    // The parser's memory is its own.
    claim.chunks.push(Buffer.from(taken));
    claim.missing -= taken.byteLength;
    if (claim.missing > 0) return undefined;
    this.#claim = undefined;
    claim.resolve(Buffer.concat(claim.chunks));
    return taken.byteLength < chunk.byteLength ? chunk.subarray(taken.byteLength) : undefined;
  }

  /** The next bytes that the parser finds, fewer where there are no more. */
  claim(length: number): Promise<Uint8Array> {
    return new Promise((resolve) => (this.#claim = { missing: length, chunks: [], resolve }));
  }

  /** No more will come: who has claimed some has what there is. */
  end(): void {
    const claim = this.#claim;
    this.#claim = undefined;
    claim?.resolve(Buffer.concat(claim.chunks));
  }
}

/** Follows a message from now on. `read`: what asks it for bytes. */
export function follow(message: IncomingMessage, length: number, read: Read): Body {
  const body = new Body(message, length, read);
  bodies.set(message, body);
  return body;
}

/** To be called when its body has been left. */
export const unfollow = (message: IncomingMessage): void => bodies.set(message, undefined);

/** Undefined: not followed. */
export const bodyOf = (message: object): Body | undefined => bodies.get(message);

/** Whether a function in place of Readable's `push` is ours, which calls it. */
export const isOurPush = (value: unknown): boolean => value === push;
