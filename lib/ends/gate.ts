/**
 * A turn in a Writable's own queue of writes.
 *
 * A transfer must come after what was written before it and before what is written after it, and the
 * stream's queue is the only place that knows that order, with `end()`, `cork()` and `destroy()`
 * already right. So a turn is a write: an empty chunk that our `_write` recognises when the stream
 * comes to it, which is when everything before it has been handed to the kernel. The stream then
 * counts a write as in flight, and queues all others, until the turn is given back.
 */
import type { Writable } from "node:stream";
import { slot } from "../support/slot.ts";

type Callback = (error?: Error | null) => void;
type Write = (chunk: unknown, encoding: BufferEncoding, callback: Callback) => void;
type Writev = (chunks: { chunk: unknown; encoding: BufferEncoding }[], callback: Callback) => void;

/** The methods of a Writable that its implementer provides. */
interface Implementation {
  _write?: Write;
  _writev?: Writev | null;
}

export interface Turn {
  /** Writes to the stream's own sink, past the queue. Resolves when the chunk has been taken. */
  write(chunk: Uint8Array): Promise<void>;
  /** Lets the stream go on with what was queued behind, or tells it that its sink has failed. */
  release(error?: Error): void;
}

type Grant = (turn: Turn) => void;

const gates = slot<Gate>();

class Gate {
  readonly #stream: Omit<Writable, keyof Implementation> & Implementation;
  readonly #grants = new Map<unknown, Grant>();
  readonly #write: Write;
  readonly #writev: Writev | null;

  /**
   * The gate stays for the stream's life: adding and deleting properties for every turn would cost
   * more than a small body.
   */
  constructor(stream: Writable) {
    this.#stream = stream;
    this.#write = this.#sink();
    this.#writev = this.#stream._writev ?? null;
    this.#stream._write = this.#dispatch.bind(this);
    this.#stream._writev = this.#writev;
  }

  /** The stream's sink as a write of one chunk, whichever of the two methods it implements. */
  #sink(): Write {
    const { _write, _writev } = this.#stream;
    const stream = this.#stream;
    if (_writev && _write === basicWrite(stream)) {
      return (chunk, encoding, callback) => _writev.call(stream, [{ chunk, encoding }], callback);
    }
    if (!_write) throw new TypeError("The target stream has no _write");
    return (chunk, encoding, callback) => _write.call(stream, chunk, encoding, callback);
  }

  #dispatch(chunk: unknown, encoding: BufferEncoding, callback: Callback): void {
    const grant = this.#grants.get(chunk);
    if (grant === undefined) return this.#write(chunk, encoding, callback);
    this.#grants.delete(chunk);
    // A turn that is given up with a write in flight (an abort) ends only when that has landed: not every
    // runtime keeps a write that another one overtakes.
    let writing = 0;
    let released = false;
    let failure: Error | undefined;
    const end = () => {
      if (!released || writing > 0) return;
      this.#rest();
      callback(failure);
    };
    grant({
      write: (bytes) =>
        new Promise((resolve, reject) => {
          const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
          writing++;
          this.#write(buffer, "buffer" as BufferEncoding, (error) => {
            writing--;
            if (error) reject(error);
            else resolve();
            end();
          });
        }),
      release: (error) => {
        if (released) return;
        released = true;
        failure = error;
        end();
      },
    });
  }

  enter(grant: Grant, refuse: (error: Error) => void): void {
    const chunk = Buffer.alloc(0);
    this.#grants.set(chunk, grant);
    // Chunks are to come one by one while turns are waited for: a batch would hide the empty one.
    this.#stream._writev = null;
    this.#stream.write(chunk, (error) => {
      if (!error || !this.#grants.delete(chunk)) return;
      this.#rest();
      refuse(error);
    });
  }

  #rest(): void {
    if (this.#grants.size === 0) this.#stream._writev = this.#writev;
  }
}

/** `Writable.prototype._write`, which only hands on to `_writev`. */
function basicWrite(stream: object): Write | undefined {
  let found: Write | undefined;
  for (let proto: unknown = stream; typeof proto === "object" && proto !== null; proto = Object.getPrototypeOf(proto)) {
    if (Object.hasOwn(proto, "_write")) found = (proto as Implementation)._write;
  }
  return found;
}

/**
 * Queues for a turn. `grant` is called, at once where nothing is queued or in flight, when everything
 * written before has left the process; `refuse` when the stream failed or was destroyed before that.
 */
export function enterGate(stream: Writable, grant: Grant, refuse: (error: Error) => void): void {
  let gate = gates.get(stream);
  if (gate === undefined) gates.set(stream, (gate = new Gate(stream)));
  gate.enter(grant, refuse);
}
