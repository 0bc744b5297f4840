/**
 * One stream's bytes handed to the kernel, between two of the stream's own steps.
 *
 * It happens inside a `_read` that has not answered yet. Node has by then opened the file, attached pipe's
 * listeners and told everybody of it; all that follows (`end`, `finish`, `close`, errors) comes from Node's own code
 * again, because a hand-over ends in one of two ways: the stream is told that its source is at its end, or it reads
 * on by itself from the next byte. So whatever goes wrong here, it is Node that meets it and reports it.
 */
import type { Writable } from "node:stream";
import { isSameFile } from "../../../core/endpoint.ts";
import { TransferError } from "../../../core/error.ts";
import type { Job, Outcome } from "../../../core/kernel.ts";
import type { Request } from "../../../core/request.ts";
import { type Plan, select } from "../../../core/select.ts";
import { type Account, transferLoop } from "../../../core/transfer.ts";
import { type Engine, Link } from "../engine.ts";
import { enterGate, type Turn } from "../gate.ts";
import type { Machine } from "../machine.ts";
import type { Feed, Range } from "./feed.ts";
import type { Sink } from "./sink.ts";
import { Tally } from "./tally.ts";
import { Watch } from "./watch.ts";

/** How it came out. `back`: the stream goes on by itself. `broken`: what the target was promised will not come. */
type End =
  | { readonly kind: "end"; readonly reason: string }
  | { readonly kind: "back"; readonly reason: string }
  | { readonly kind: "broken" | "failed"; readonly error: Error };

const back = (reason: string): End => ({ kind: "back", reason });

export class HandOver {
  readonly #machine: Machine;
  readonly #feed: Feed;
  readonly #sink: Sink;
  readonly #target: Writable;
  readonly #tally = new Tally();
  readonly #onEnd: (tally: Tally, reason: string) => void;
  #watch: Watch | undefined;
  /** Why the stream wants its bytes back. */
  #stopped: string | undefined;
  /** Whether nobody is left to take them. */
  #gone = false;
  #link: Link | undefined;
  #turn: Turn | undefined;
  /** Bytes of the current unit that have been promised and not been sent. */
  #owed = 0;

  constructor(
    machine: Machine,
    feed: Feed,
    sink: Sink,
    target: Writable,
    onEnd: (tally: Tally, reason: string) => void,
  ) {
    this.#machine = machine;
    this.#feed = feed;
    this.#sink = sink;
    this.#target = target;
    this.#onEnd = onEnd;
  }

  /** Begins. Where nothing has to wait, it is over when this returns. */
  start(): void {
    let cancel: () => void = () => {};
    const cancelled = new Promise<void>((resolve) => (cancel = resolve));
    const waiting = this.#sink.ready(cancelled);
    if (waiting === undefined) return this.#enter();
    this.#watching(cancel);
    void waiting.then(() => this.#enter());
  }

  /** From here on something else may happen before it is over. */
  #watching(onStop: () => void = () => {}): void {
    this.#watch ??= new Watch(this.#feed.stream, this.#target, (reason, gone) => {
      this.#stopped ??= reason;
      this.#gone ||= gone;
      onStop();
      // A unit that has been announced is sent to its end, unless nobody is there to take it.
      if (this.#owed === 0 || gone) this.#link?.cancel();
    });
  }

  #enter(): void {
    const objection = this.#stopped ?? this.#sink.objection();
    if (objection !== undefined) return this.#settle(back(objection));
    enterGate(
      this.#sink.queue,
      (turn) => {
        this.#turn = turn;
        void this.#run(turn);
      },
      () => this.#settle(back("the target failed before its turn came")),
    );
    if (this.#turn === undefined) this.#watching();
  }

  async #run(turn: Turn): Promise<void> {
    let end: End;
    try {
      const moved = this.#move(turn);
      end = "then" in moved ? await moved : moved;
    } catch (error) {
      end = this.#judge(error);
    }
    this.#settle(end);
  }

  /** What a failure means. Node meets it again, at the same byte, unless a promise was broken. */
  #judge(error: unknown): End {
    const failure = error instanceof Error ? error : new Error(String(error));
    const { code, failed } = error instanceof TransferError ? error : { code: "", failed: undefined };
    const promised = this.#owed > 0 || (code === "ERR_SLUICE_TRUNCATED" && this.#sink.room < Infinity);
    if (failed === "source" && this.#feed.fail !== undefined) return { kind: "failed", error: failure };
    if (promised && failed !== "target" && !this.#gone) return { kind: "broken", error: failure };
    return back(this.#stopped ?? failure.message);
  }

  #settle(end: End): void {
    this.#watch?.stop(end.kind === "end");
    this.#link?.close();
    this.#closeEnds();
    this.#turn?.release();
    if (this.#owed === 0) this.#sink.tail();
    this.#onEnd(this.#tally, "error" in end ? end.error.message : end.reason);
    const { stream } = this.#feed;
    if (stream.destroyed) return;
    if (end.kind === "end") this.#feed.finish();
    else if (end.kind === "back") this.#feed.giveBack();
    else if (end.kind === "failed") this.#feed.fail?.(end.error);
    else this.#break(end.error);
  }

  /** Gives back what was held until the engine had duplicates of its own. */
  #closeEnds(): void {
    this.#sink.close();
    this.#feed.close();
  }

  /** The stream fails as with a read error; then, whatever its listeners did, the target's connection ends. */
  #break(error: Error): void {
    const { stream } = this.#feed;
    const abort = () => this.#sink.abort();
    // Without a listener the error would end the process, for a file that somebody else has cut.
    if (stream.listenerCount("error") === 0) {
      abort();
      stream.destroy();
      return;
    }
    stream.once("error", () => process.nextTick(abort));
    stream.destroy(error);
  }

  /** Moves what there is. Synchronous as long as nothing has to wait. */
  #move(turn: Turn): End | Promise<End> {
    const { engine, native } = this.#machine;
    if (this.#stopped !== undefined) return back(this.#stopped);
    if (engine === undefined || typeof native === "string") return back(String(native));
    const target = this.#sink.open(native);
    const source = this.#feed.inspect(native);
    if (typeof target === "string") return back(target);
    if (typeof source === "string") return back(source);
    if (isSameFile(source, target)) return back("source and target are the same file");
    const range = this.#feed.range(source);
    if (range.length === 0) return back("there is nothing to send");
    const plan = select(source, target, this.#request(range), this.#machine.knowledge);
    const objection = this.#sink.commit();
    if (objection !== undefined) return back(objection);
    return this.#units(turn, engine, plan);
  }

  #request({ offset, length }: Range): Request {
    const { targetOffset } = this.#sink;
    return { offset, length, targetOffset, strategy: "auto", fallback: false };
  }

  /** Moves unit after unit, as long as the source grows and the target has room. */
  #units(turn: Turn, engine: Engine, first: Plan): End | Promise<End> {
    const { fd } = this.#sink;
    if (fd === undefined) return back("the target has no descriptor");
    const link = new Link(engine, this.#feed.fd, fd, () => this.#closeEnds());
    this.#link = link;
    this.#sink.begin(link);
    this.#feed.begin(link);
    const plan = this.#unit(first);
    const moved = this.#send(turn, link, plan);
    if ("then" in moved) return moved.then((account) => this.#rest(turn, link, plan, account));
    return this.#rest(turn, link, plan, moved);
  }

  /** The part of a plan that goes out as one unit. */
  #unit(plan: Plan): Plan {
    const { room, unit } = this.#sink;
    if (plan.length === undefined || plan.length <= Math.min(room, unit)) return plan;
    const length = Math.min(plan.length, room, unit);
    return select(
      plan.source,
      plan.target,
      this.#request({ offset: plan.offset ?? 0, length }),
      this.#machine.knowledge,
    );
  }

  /** After the first unit: most bodies are done, or go on by Node. */
  #rest(turn: Turn, link: Link, plan: Plan, account: Account): End | Promise<End> {
    this.#enterAccount(account);
    const next = this.#next(plan);
    if (!("source" in next)) return next;
    this.#watching();
    return this.#loop(turn, link, next);
  }

  async #loop(turn: Turn, link: Link, first: Plan): Promise<End> {
    // The descriptors must outlive this turn of the event loop, in which the runtime may close them.
    const held = link.hold();
    if (held < 0) return back("no descriptor is left for a duplicate");
    let plan = first;
    for (;;) {
      this.#enterAccount(await this.#send(turn, link, plan));
      const next = this.#next(plan);
      if (!("source" in next)) return next;
      plan = next;
    }
  }

  /** What comes after a unit: another one, or the end. */
  #next({ source: before, target }: Plan): Plan | End {
    if (this.#stopped !== undefined) return back(this.#stopped);
    const { native } = this.#machine;
    if (typeof native === "string" || before.size === undefined) return back("the source may have more");
    const source = this.#feed.inspect(native);
    if (typeof source === "string") return back(source);
    const range = this.#feed.range(source);
    const { room } = this.#sink;
    if (room > 0 && range.length !== 0)
      return this.#unit(select(source, target, this.#request(range), this.#machine.knowledge));
    if (room > 0 && room < Infinity && this.#feed.bounded)
      throw new TransferError(`Cannot send file: expected ${room} more bytes, the file is shorter`, {
        code: "ERR_SLUICE_TRUNCATED",
      });
    return { kind: "end", reason: this.#tally.reason };
  }

  #enterAccount(account: Account): void {
    this.#owed = 0;
    this.#tally.add(account);
    this.#advance(account.bytes);
  }

  #advance(bytes: number): void {
    this.#feed.moved(bytes);
    this.#sink.end(bytes);
  }

  /** Sends one unit: its head, then its bytes. */
  #send(turn: Turn, link: Link, plan: Plan): Account | Promise<Account> {
    const head = this.#sink.head(plan.length ?? 0);
    if (this.#sink.unit < Infinity) this.#owed = plan.length ?? 0;
    const rest = head && this.#sendHead(head);
    if (rest === undefined || rest.byteLength === 0) return this.#drive(link, plan);
    this.#watching();
    link.hold();
    return turn.write(rest).then(() => this.#drive(link, plan));
  }

  /** Sends as much of a head as the socket takes at once, to share a segment with what follows: the rest. */
  #sendHead(head: Uint8Array): Uint8Array {
    const { native } = this.#machine;
    const { fd } = this.#sink;
    if (typeof native === "string" || fd === undefined) return head;
    const sent = native.sluice_send(fd, head, head.byteLength, 1);
    // An error is met again, and told of, by the stream's own write.
    return head.subarray(Math.max(0, sent));
  }

  #drive(link: Link, plan: Plan): Account | Promise<Account> {
    const loop = transferLoop(plan, this.#machine.capabilities);
    try {
      let step = loop.next();
      while (!step.done) {
        const outcome = link.run(step.value);
        if ("then" in outcome) return this.#driveOn(loop, link, outcome);
        step = loop.next(outcome);
      }
      return step.value;
    } catch (error) {
      this.#salvage(error);
      throw error;
    }
  }

  async #driveOn(
    loop: Generator<Job, Account, Outcome>,
    link: Link,
    waiting: Outcome | Promise<Outcome>,
  ): Promise<Account> {
    this.#watching();
    try {
      let step = loop.next(await waiting);
      while (!step.done) step = loop.next(await link.run(step.value));
      return step.value;
    } catch (error) {
      this.#salvage(error);
      throw error;
    }
  }

  /** What a failed attempt had moved has left, and is not sent again. */
  #salvage(error: unknown): void {
    if (!(error instanceof TransferError)) return;
    this.#tally.addFailed(error);
    this.#advance(error.bytesTransferred);
    if (this.#owed > 0) this.#owed -= error.bytesTransferred;
  }
}
