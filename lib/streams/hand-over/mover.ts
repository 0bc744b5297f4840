/** Moves a feed's bytes into a sink, unit by unit, and keeps the account of what has left and what is owed. */
import { type Endpoint, isSameFile } from "../../../core/plan/endpoint.ts";
import { TransferError } from "../../../core/error.ts";
import { sameFile } from "../../../core/plan/ends-check.ts";
import type { Job } from "../../../core/plan/kernel.ts";
import { checkOptions } from "../../../core/transfer/request.ts";
import { type Plan, select } from "../../../core/plan/select.ts";
import { type Account, drive, transferLoop } from "../../../core/transfer/loop.ts";
import { Link } from "../../engine/link.ts";
import type { WriteLock } from "../../ends/write-lock.ts";
import { type Begun, sendHead } from "./at-once.ts";
import type { Range } from "../feeds/feed.ts";
import type { Route } from "./route.ts";

/** How it came out. `back`: the stream goes on by itself. */
export interface Moved {
  readonly kind: "end" | "back";
  readonly reason: string;
}

/** No option of a transfer's is given to a stream; its errors are Node's own, so that no portable path is wanted. */
const ordinary = checkOptions({ fallback: false });

const shorter = (missing: number): TransferError =>
  new TransferError(`Cannot send file: expected ${missing} more bytes, the file is shorter`, {
    code: "ERR_SLUICE_TRUNCATED",
  });

const back = (reason: string): Moved => ({ kind: "back", reason });

/** What the mover asks of its surroundings. */
export interface Control {
  /** Why the stream wants its bytes back, or undefined. */
  readonly stopped: string | undefined;
  /** Something is going to be waited for. */
  waiting(): void;
}

export class Mover {
  readonly #route: Route;
  readonly #control: Control;
  readonly #started: boolean;
  #link: Link | undefined;
  /** What the socket has not taken of a head. */
  #unsentHead: Uint8Array | undefined;
  #stopWaiting: (() => void) | undefined;
  /** Bytes of the current unit that have been announced and not been sent. */
  #owed = 0;

  constructor(route: Route, begun: Begun, control: Control) {
    this.#route = route;
    this.#control = control;
    this.#unsentHead = begun.unsentHead;
    this.#owed = begun.owed;
    this.#started = begun.started;
  }

  /** Whether more bytes have been announced than sent. */
  get owes(): boolean {
    return this.#owed > 0;
  }

  /** Whether the target has been told to expect something that has not been sent. */
  get hasAnnounced(): boolean {
    return this.#owed > 0 || this.#unsentHead !== undefined;
  }

  cancel(): void {
    this.#stopWaiting?.();
    this.#link?.cancel();
  }

  close(): void {
    this.#link?.close();
  }

  /** Gives back what was held until the engine had duplicates of its own. */
  #release(): void {
    this.#route.sink.release?.();
    this.#route.feed.release?.();
  }

  /** Moves what there is. Synchronous as long as nothing has to wait. */
  move(lock: WriteLock): Moved | Promise<Moved> {
    const { feed, sink, engine } = this.#route;
    const { stopped } = this.#control;
    if (stopped !== undefined && !this.#started) return back(stopped);
    const ends = this.#open();
    if ("kind" in ends) return ends;
    const { source, target, range } = ends;
    if (isSameFile(source, target)) return back(sameFile);
    if (range.length === 0) return this.#started ? this.#ended() : back("there is nothing to send");
    const plan = this.#plan(source, target, range);
    const objection = sink.framing?.commit();
    if (objection !== undefined) return back(objection);
    if (this.#room <= 0) return this.#ended();
    const { fd } = sink;
    if (fd === undefined) return back("the target has no descriptor");
    const link = new Link(engine, feed.fd, fd, true, () => this.#release());
    this.#link = link;
    sink.begin?.(link);
    feed.begin?.(link);
    const unit = this.#unit(plan);
    const sent = this.#send(lock, link, unit);
    if ("then" in sent) return sent.then((account) => this.#rest(lock, link, unit, account));
    return this.#rest(lock, link, unit, sent);
  }

  /** Both ends as they are now, and what is to be moved; or why nothing can be. */
  #open(): { source: Endpoint; target: Endpoint; range: Range } | Moved {
    const { feed, sink, engine } = this.#route;
    const target = sink.open(engine.native);
    if (typeof target === "string") return back(target);
    const source = feed.inspect(engine.native);
    if (typeof source === "string") return back(source);
    return { source, target, range: feed.range(source) };
  }

  #plan(source: Endpoint, target: Endpoint, { offset, length }: Range): Plan {
    const { sink, machine } = this.#route;
    const { targetOffset } = sink;
    return select(source, target, { ...ordinary, offset, length, targetOffset }, machine.knowledge);
  }

  /** Bytes that are still to come. */
  get #room(): number {
    return this.#route.sink.framing?.room ?? Infinity;
  }

  /** Most bytes of a unit. */
  get #unitBytes(): number {
    return this.#route.sink.framing?.unit ?? Infinity;
  }

  /** The part of a plan that goes out as one unit. */
  #unit(plan: Plan): Plan {
    const most = this.#owed > 0 ? this.#owed : Math.min(this.#room, this.#unitBytes);
    if (plan.length === undefined || plan.length <= most) return plan;
    return this.#plan(plan.source, plan.target, { offset: plan.offset ?? 0, length: most });
  }

  /** After the first unit most bodies are done, or go on by Node. */
  #rest(lock: WriteLock, link: Link, plan: Plan, account: Account): Moved | Promise<Moved> {
    this.#enter(account);
    const next = this.#next(plan.source);
    if ("kind" in next) return next;
    this.#control.waiting();
    return this.#loop(lock, link, this.#plan(next.source, plan.target, next.range));
  }

  async #loop(lock: WriteLock, link: Link, first: Plan): Promise<Moved> {
    // The descriptors must outlive this turn of the event loop, in which the runtime may close them.
    if (link.hold() < 0) return back("no descriptor is left for a duplicate");
    for (let plan = this.#unit(first); ;) {
      this.#enter(await this.#send(lock, link, plan));
      const next = this.#next(plan.source);
      if ("kind" in next) return next;
      plan = this.#unit(this.#plan(next.source, plan.target, next.range));
    }
  }

  /** What comes after a unit: more bytes, or the end. */
  #next(before: Endpoint): { source: Endpoint; range: Range } | Moved {
    const { feed, engine, tally } = this.#route;
    const { stopped } = this.#control;
    if (stopped !== undefined) return back(stopped);
    if (before.size === undefined) return back(tally.reason);
    if (feed.complete === true || this.#room <= 0) return this.#ended();
    const source = feed.inspect(engine.native);
    if (typeof source === "string") return back(source);
    const range = feed.range(source);
    return range.length === 0 ? this.#ended() : { source, range };
  }

  /** The source is at its end: which may be too early for a chunk. */
  #ended(): Moved {
    if (this.#owed > 0) throw shorter(this.#owed);
    return { kind: "end", reason: this.#route.tally.reason };
  }

  /**
   * What the target has been told to expect, which can't be taken back, however much the stream is wanted for
   * something else: the rest of a head, and of the bytes of a chunk.
   */
  async readAnnounced(): Promise<Uint8Array | undefined> {
    const head = this.#unsentHead;
    this.#unsentHead = undefined;
    if (this.#owed === 0) return head;
    const owed = await this.#route.feed.readAhead(this.#owed);
    if (owed.byteLength < this.#owed) throw shorter(this.#owed - owed.byteLength);
    this.#advance(owed.byteLength);
    return head === undefined ? owed : Buffer.concat([head, owed]);
  }

  /** Sends one unit, or what is left of it. */
  #send(lock: WriteLock, link: Link, plan: Plan): Account | Promise<Account> {
    const head = this.#unsentHead ?? (this.#owed > 0 ? undefined : this.#announce(plan.length ?? 0));
    if (head === undefined) return this.#drive(link, plan);
    this.#unsentHead = undefined;
    this.#control.waiting();
    link.hold();
    const written = new Promise<void>((resolve, reject) => {
      // What is written is written, also for a peer that stands still; a stop does not wait for that.
      this.#stopWaiting = resolve;
      lock.write(head).then(resolve, reject);
    });
    return written.then(() => {
      const { stopped } = this.#control;
      if (stopped !== undefined) throw new TransferError(stopped, { code: "ABORT_ERR" });
      return this.#drive(link, plan);
    });
  }

  #announce(length: number): Uint8Array | undefined {
    if (this.#unitBytes < Infinity) this.#owed = length;
    return sendHead(this.#route, length);
  }

  #drive(link: Link, plan: Plan): Account | Promise<Account> {
    const run = (job: Job) => {
      const outcome = link.run(job);
      if ("then" in outcome) this.#control.waiting();
      return outcome;
    };
    const salvage = (error: unknown): never => {
      this.#salvage(error);
      throw error;
    };
    try {
      const account = drive(transferLoop(plan, this.#route.machine.capabilities), run);
      return "then" in account ? account.catch(salvage) : account;
    } catch (error) {
      return salvage(error);
    }
  }

  #enter(account: Account): void {
    this.#route.tally.add(account);
    this.#advance(account.bytes);
  }

  /** What a failed attempt had moved has left, and is not sent again. */
  #salvage(error: unknown): void {
    if (!(error instanceof TransferError)) return;
    this.#route.tally.addFailed(error);
    this.#advance(error.bytesTransferred);
    const { bytesStranded } = error;
    if (bytesStranded > 0 && this.#link !== undefined) this.#route.feed.unread?.(this.#link.residue(bytesStranded));
  }

  #advance(bytes: number): void {
    this.#route.feed.moved(bytes);
    this.#route.sink.sent(bytes, 0);
    if (this.#owed > 0) this.#owed -= bytes;
  }
}
