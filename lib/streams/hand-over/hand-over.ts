/**
 * One stream's bytes handed to the kernel, between two of the stream's own steps.
 *
 * It happens while a `_read` has not answered yet. Node has by then opened the file, attached pipe's
 * listeners and told everybody of it; all that follows (`end`, `finish`, `close`, errors) comes from Node's own code
 * again, because a hand-over ends in one of two ways: the stream is told that its source is at its end, or it reads
 * on by itself from the next byte. So whatever goes wrong here, it is Node that meets it and reports it.
 */
import { AsyncResource } from "node:async_hooks";
import type { Readable } from "node:stream";
import { TransferError } from "../../../core/error.ts";
import { lockWrites, type WriteLock } from "../../ends/write-lock.ts";
import { type Begun, hasFirstByte, nothingBegun, sendAtOnce } from "./at-once.ts";
import { pipesOf } from "../internals.ts";
import { type Moved, Mover } from "./mover.ts";
import type { Route } from "./route.ts";
import { Watch } from "./watch.ts";

/** Node uncorks by then what it has corked itself for a write. */
const nextTick = (): Promise<boolean> => new Promise((resolve) => process.nextTick(resolve, true));

/** `failed`: the source has; `broken`: a chunk that was announced will not come; `left`: the peer has gone. */
type End =
  | Moved
  | { readonly kind: "left"; readonly reason: string }
  | { readonly kind: "failed"; readonly error: TransferError }
  | { readonly kind: "broken"; readonly error: Error };

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

export class HandOver {
  readonly #route: Route;
  readonly #onEnd: (reason: string, goesOn: boolean) => void;
  #mover: Mover | undefined;
  #watch: Watch | undefined;
  #lock: WriteLock | undefined;
  /** The stream's asynchronous context, where the lock is granted in another. */
  #context: AsyncResource | undefined;
  #settled = false;
  /** Whether the peer has gone. */
  #gone = false;
  /** Whether the first byte is known to be there. */
  #isCertain = false;
  /** Whether it waits for the target's write lock. */
  #queued = false;
  /** Called when the stream wants its bytes back. */
  #onStop: (() => void) | undefined;
  stopped: string | undefined;

  constructor(route: Route, onEnd: (reason: string, goesOn: boolean) => void) {
    this.#route = route;
    this.#onEnd = onEnd;
    this.#isCertain = route.feed.isCertain === true;
  }

  /** Begins. Where nothing has to wait, it is over when this returns. */
  start(): void {
    const { feed, sink } = this.#route;
    feed.hold?.();
    const cancelled = () => new Promise<void>((resolve) => (this.#onStop = resolve));
    const ready = sink.ready?.(cancelled) ?? (this.#isCorked ? nextTick() : undefined);
    if (ready === undefined) return this.#try();
    this.waiting();
    void ready.then((isThere) => {
      if (isThere) this.#enter(nothingBegun);
      else this.#settle({ kind: "left", reason: "the connection was closed before it was this response's turn" });
    });
  }

  /** Whether what is written is held back until it is uncorked: which may wait for this stream's end. */
  get #isCorked(): boolean {
    const { target, sink } = this.#route;
    return target.writableCorked > 0 || sink.queue.writableCorked > 0;
  }

  /** From here on something else may happen before it is over. */
  waiting(): void {
    this.#watch ??= new Watch(this.#route, (reason, gone) => {
      this.stopped ??= reason;
      this.#gone ||= gone;
      if (this.#route.feed.stream.destroyed) this.#route.feed.abandon?.();
      this.#onStop?.();
      // The lock may never be granted; when it is, it is released.
      if (this.#queued) this.#settle({ kind: "back", reason });
      this.#mover?.cancel();
    });
  }

  #try(): void {
    let begun: Begun;
    try {
      begun = sendAtOnce(this.#route);
    } catch (error) {
      return this.#settle(this.#judge(error));
    }
    if (begun.complete) this.#settle({ kind: "end", reason: this.#route.tally.reason });
    else if (begun.objection === undefined) this.#enter(begun);
    else this.#settle({ kind: "back", reason: begun.objection });
  }

  #enter(begun: Begun): void {
    const { sink } = this.#route;
    const objection = this.stopped ?? sink.objection() ?? (this.#isCorked ? "the target is corked" : undefined);
    if (objection !== undefined) return this.#settle({ kind: "back", reason: objection });
    if (sink.framing !== undefined && !begun.started && !this.#isCertain) return this.#makeCertain();
    const mover = new Mover(this.#route, begun, this);
    this.#mover = mover;
    const granted = (lock: WriteLock) => {
      if (this.#settled) return lock.release();
      this.#queued = false;
      this.#lock = lock;
      void this.#run(lock, mover);
    };
    lockWrites(
      sink.queue,
      (lock) => (this.#context === undefined ? granted(lock) : this.#context.runInAsyncScope(granted, null, lock)),
      (error) => this.#settle(this.#judge(error)),
    );
    if (this.#lock !== undefined || this.#settled) return;
    // The lock will be granted in the course of another write, but what follows is the stream's.
    this.#context = new AsyncResource("SluiceWriteLock");
    this.#queued = true;
    this.waiting();
  }

  /**
   * What a head promises has to be there: whatever can be wrong with a file shows at its first byte. Before the lock,
   * within which nothing may be waited for: who writes to the response meanwhile is to send its head himself.
   */
  #makeCertain(): void {
    const failed = (error: unknown) => this.#settle(this.#judge(error));
    const { feed, engine } = this.#route;
    try {
      const source = feed.inspect(engine.native);
      if (typeof source === "string") return this.#settle({ kind: "back", reason: source });
      this.#isCertain = hasFirstByte(this.#route);
    } catch (error) {
      return failed(error);
    }
    if (this.#isCertain) return this.#enter(nothingBegun);
    // A disk has to be asked, or a filesystem that can't say: by the runtime's own read, which may wait.
    this.waiting();
    feed.readAhead(1).then(({ byteLength }) => {
      this.#isCertain = byteLength > 0;
      if (this.#isCertain) this.#enter(nothingBegun);
      else this.#settle({ kind: "back", reason: "there is nothing to send" });
    }, failed);
  }

  async #run(lock: WriteLock, mover: Mover): Promise<void> {
    let end: End;
    let rest: Uint8Array | undefined;
    try {
      const moved = mover.move(lock);
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
    if (error instanceof TransferError && error.failed === "source" && this.#route.feed.fail !== undefined)
      return { kind: "failed", error };
    return { kind: "back", reason: this.stopped ?? asError(error).message };
  }

  /** `rest`: what has been announced to the target and goes before everything else. */
  #settle(end: End, rest?: Uint8Array): void {
    if (this.#settled) return;
    const { feed, sink } = this.#route;
    this.#settled = true;
    this.#queued = false;
    this.#watch?.stop(end.kind === "end");
    this.#mover?.close();
    if (rest !== undefined) this.#write(rest);
    if (this.#mover?.owes !== true) this.#sendTail();
    sink.close?.();
    feed.close?.();
    if (this.#isCutOff(end)) this.#cutOff();
    else this.#lock?.release();
    // Of a connection the runtime has read before, and reads the end.
    this.#onEnd("error" in end ? end.error.message : end.reason, end.kind !== "end" || feed.kind !== "file");
    if (!feed.stream.destroyed) this.#tell(end);
    // A stream that was destroyed meanwhile has waited: when it closes, its counts are right.
    this.#watch?.release();
  }

  /** What becomes of the stream. */
  #tell(end: End): void {
    const { feed } = this.#route;
    const { stream, closesItself } = feed;
    if (end.kind === "end") feed.finish();
    else if (end.kind === "back") feed.giveBack();
    else if (end.kind === "failed") feed.fail?.(end.error);
    else if (end.kind === "broken") this.#break(stream, end.error);
    else if (closesItself && stream.listenerCount("data") <= pipesOf(stream).length) stream.destroy();
    else feed.giveBack();
  }

  /** Whether the target waits for bytes of a connection that will not come. A file breaks it, see below. */
  #isCutOff({ kind }: End): boolean {
    return this.#mover?.owes === true && kind !== "back" && kind !== "end" && this.#route.feed.kind === "message";
  }

  /** What was written to the target next would be taken for what it waits for: that stays behind the lock, until the source has told. */
  #cutOff(): void {
    const { feed, target } = this.#route;
    const lock = this.#lock;
    const cut = () => {
      target.destroy();
      lock?.release();
    };
    if (feed.stream.closed) cut();
    else feed.stream.once("close", cut);
  }

  #sendTail(): void {
    const tail = this.#route.sink.framing?.tail() ?? "";
    if (tail !== "") this.#write(Buffer.from(tail, "latin1"));
  }

  /** Within the lock, where there is one: what was written meanwhile comes behind it. */
  #write(bytes: Uint8Array): void {
    // A failure is told of by the socket itself.
    if (this.#lock === undefined) this.#route.sink.queue.write(bytes);
    else this.#lock.write(bytes).catch(() => {});
  }

  /** The stream fails as with a read error; then, whatever its listeners did, the target's connection ends. */
  #break(stream: Readable, error: Error): void {
    const { feed, target } = this.#route;
    const abort = () => target.destroy();
    const { closesItself } = feed;
    // Without a listener the error would end the process, for a file that others have cut.
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
