/**
 * One stream's bytes handed to the kernel, between two of the stream's own steps.
 *
 * It happens while a `_read` has not answered yet. Node has by then opened the file, attached pipe's
 * listeners and told everybody of it; all that follows (`end`, `finish`, `close`, errors) comes from Node's own code
 * again, because a hand-over ends in one of two ways: the stream is told that its source is at its end, or it reads
 * on by itself from the next byte. So whatever goes wrong here, it is Node that meets it and reports it.
 */
import { AsyncResource } from "node:async_hooks";
import type { Readable, Writable } from "node:stream";
import { TransferError } from "../../core/error.ts";
import type { Engine } from "../engine/engine.ts";
import { enterGate, type Turn } from "../ends/gate.ts";
import type { Machine } from "../engine/machine.ts";
import { type Begun, hasFirstByte, nothingBegun, sendAtOnce } from "./at-once.ts";
import type { Feed } from "./feed.ts";
import { pipesOf } from "./internals.ts";
import { type Moved, Mover } from "./mover.ts";
import type { Sink } from "./sink.ts";
import type { Tally } from "./tally.ts";
import { Watch } from "./watch.ts";

/** Node uncorks by then what it has corked itself for a write. */
const nextTick = (): Promise<boolean> => new Promise((resolve) => process.nextTick(resolve, true));

/** `failed`: the source has; `broken`: a chunk that was announced will not come; `left`: nobody is there any more. */
type End =
  | Moved
  | { readonly kind: "left"; readonly reason: string }
  | { readonly kind: "failed"; readonly error: TransferError }
  | { readonly kind: "broken"; readonly error: Error };

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

export class HandOver {
  readonly #feed: Feed;
  readonly #sink: Sink;
  readonly #target: Writable;
  readonly #machine: Machine;
  readonly #engine: Engine;
  readonly #tally: Tally;
  readonly #onEnd: (reason: string) => void;
  #mover: Mover | undefined;
  #watch: Watch | undefined;
  #turn: Turn | undefined;
  /** The stream's asynchronous context, where the turn comes in somebody else's. */
  #context: AsyncResource | undefined;
  #settled = false;
  /** Whether nobody is left to take the bytes. */
  #gone = false;
  /** Whether the first byte is known to be there. */
  #isCertain = false;
  /** Whether it waits for its turn in the target's queue. */
  #queued = false;
  /** Called when the stream wants its bytes back. */
  #onStop: (() => void) | undefined;
  stopped: string | undefined;

  constructor(
    machine: Machine,
    engine: Engine,
    feed: Feed,
    sink: Sink,
    target: Writable,
    tally: Tally,
    onEnd: (reason: string) => void,
  ) {
    this.#feed = feed;
    this.#sink = sink;
    this.#target = target;
    this.#machine = machine;
    this.#engine = engine;
    this.#tally = tally;
    this.#onEnd = onEnd;
  }

  /** Begins. Where nothing has to wait, it is over when this returns. */
  start(): void {
    this.#feed.hold?.();
    const cancelled = () => new Promise<void>((resolve) => (this.#onStop = resolve));
    const turn = this.#sink.ready(cancelled) ?? (this.#sink.corked ? nextTick() : undefined);
    if (turn === undefined) return this.#try();
    this.waiting();
    void turn.then((isThere) => {
      if (isThere) this.#enter(nothingBegun);
      else this.#settle({ kind: "left", reason: "the connection was closed before it was this response's turn" });
    });
  }

  /** From here on something else may happen before it is over. */
  waiting(): void {
    this.#watch ??= new Watch(this.#feed, this.#target, this.#sink, (reason, gone) => {
      this.stopped ??= reason;
      this.#gone ||= gone;
      this.#onStop?.();
      // The turn may never come; when it does, it is given back.
      if (this.#queued) this.#settle({ kind: "back", reason });
      this.#mover?.cancel();
    });
  }

  #try(): void {
    let begun: Begun;
    try {
      begun = sendAtOnce(this.#engine, this.#feed, this.#sink, this.#tally);
    } catch (error) {
      return this.#settle(this.#judge(error));
    }
    if (begun.complete) this.#settle({ kind: "end", reason: this.#tally.reason });
    else if (begun.objection === undefined) this.#enter(begun);
    else this.#settle({ kind: "back", reason: begun.objection });
  }

  #enter(begun: Begun): void {
    const corked = this.#sink.corked ? "the target is corked" : undefined;
    const objection = this.stopped ?? this.#sink.objection() ?? corked;
    if (objection !== undefined) return this.#settle({ kind: "back", reason: objection });
    if (this.#sink.commits && !begun.started && !this.#isCertain) return this.#makeCertain();
    const mover = new Mover(this.#machine, this.#engine, this.#feed, this.#sink, this.#tally, begun, this);
    this.#mover = mover;
    const granted = (turn: Turn) => {
      if (this.#settled) return turn.release();
      this.#queued = false;
      this.#turn = turn;
      void this.#run(turn, mover);
    };
    enterGate(
      this.#sink.queue,
      (turn) => (this.#context === undefined ? granted(turn) : this.#context.runInAsyncScope(granted, null, turn)),
      (error) => this.#settle(this.#judge(error)),
    );
    if (this.#turn !== undefined || this.#settled) return;
    // The turn will be granted in the course of somebody else's write, but what follows is the stream's.
    this.#context = new AsyncResource("SluiceTurn");
    this.#queued = true;
    this.waiting();
  }

  /**
   * What a head promises has to be there: whatever can be wrong with a file shows at its first byte. Before the turn,
   * within which nothing may be waited for: who writes to the response meanwhile is to send its head himself.
   */
  #makeCertain(): void {
    const failed = (error: unknown) => this.#settle(this.#judge(error));
    try {
      const source = this.#feed.inspect(this.#engine.native);
      if (typeof source === "string") return this.#settle({ kind: "back", reason: source });
      this.#isCertain = hasFirstByte(this.#engine, this.#feed);
    } catch (error) {
      return failed(error);
    }
    if (this.#isCertain) return this.#enter(nothingBegun);
    // A disk has to be asked, or a filesystem that can't say: by the runtime's own read, which may wait.
    this.waiting();
    this.#feed.readAhead(1).then(({ byteLength }) => {
      this.#isCertain = byteLength > 0;
      if (this.#isCertain) this.#enter(nothingBegun);
      else this.#settle({ kind: "back", reason: "there is nothing to send" });
    }, failed);
  }

  async #run(turn: Turn, mover: Mover): Promise<void> {
    let end: End;
    let rest: Uint8Array | undefined;
    try {
      const moved = mover.move(turn);
      end = "then" in moved ? await moved : moved;
    } catch (error) {
      end = this.#judge(error);
    }
    try {
      if (mover.hasAnnounced && end.kind !== "failed" && !this.#gone) rest = await mover.readAnnounced();
    } catch (error) {
      end = { kind: "broken", error: asError(error) };
    }
    this.#settle(end, rest);
  }

  /** What a failure means. Node meets it again, at the same byte. */
  #judge(error: unknown): End {
    if (error instanceof TransferError && error.failed === "source" && this.#feed.fail !== undefined)
      return { kind: "failed", error };
    return { kind: "back", reason: this.stopped ?? asError(error).message };
  }

  /** `rest`: what has been announced to the target and goes before everything else. */
  #settle(end: End, rest?: Uint8Array): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#queued = false;
    this.#watch?.stop(end.kind === "end");
    this.#mover?.close();
    if (rest !== undefined) this.#write(rest);
    if (this.#mover?.owes !== true) this.#sendTail();
    this.#sink.close();
    this.#feed.close();
    this.#turn?.release();
    this.#onEnd("error" in end ? end.error.message : end.reason);
    if (!this.#feed.stream.destroyed) this.#tell(end);
    // A stream that was destroyed meanwhile has waited: when it closes, its counts are right.
    this.#watch?.letGo();
  }

  /** What becomes of the stream. */
  #tell(end: End): void {
    const { stream, closesItself } = this.#feed;
    if (end.kind === "end") this.#feed.finish();
    else if (end.kind === "back") this.#feed.giveBack();
    else if (end.kind === "failed") this.#feed.fail?.(end.error);
    else if (end.kind === "broken") this.#break(stream, end.error);
    else if (closesItself && stream.listenerCount("data") <= pipesOf(stream).length) stream.destroy();
    else this.#feed.giveBack();
  }

  #sendTail(): void {
    const tail = this.#sink.tail();
    if (tail !== "") this.#write(Buffer.from(tail, "latin1"));
  }

  /** Within the turn, where there is one: what was written meanwhile comes behind it. */
  #write(bytes: Uint8Array): void {
    // A failure is told of by the socket itself.
    if (this.#turn === undefined) this.#sink.queue.write(bytes);
    else this.#turn.write(bytes).catch(() => {});
  }

  /** The stream fails as with a read error; then, whatever its listeners did, the target's connection ends. */
  #break(stream: Readable, error: Error): void {
    const abort = () => this.#sink.abort();
    const { closesItself } = this.#feed;
    // Without a listener the error would end the process, for a file that somebody else has cut.
    if (stream.listenerCount("error") === 0) {
      abort();
      if (closesItself) stream.destroy();
      return;
    }
    stream.once("error", () => process.nextTick(abort));
    if (closesItself) stream.destroy(error);
    else process.nextTick(() => stream.emit("error", error));
  }
}
