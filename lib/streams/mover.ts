/** Moves a feed's bytes into a sink, unit by unit, and keeps the account of what has left and what is owed. */
import type { Native } from "../../core/abi/abi.ts";
import { type Endpoint, isSameFile } from "../../core/plan/endpoint.ts";
import { TransferError } from "../../core/error.ts";
import type { Job } from "../../core/plan/kernel.ts";
import { checkOptions } from "../../core/transfer/request.ts";
import { type Plan, select } from "../../core/plan/select.ts";
import { type Account, drive, transferLoop } from "../../core/transfer/transfer.ts";
import type { Engine } from "../engine/engine.ts";
import { Link } from "../engine/link.ts";
import type { Turn } from "../ends/gate.ts";
import type { Machine } from "../engine/machine.ts";
import { type Begun, sendHead } from "./at-once.ts";
import type { Feed, Range } from "./feed.ts";
import type { Sink } from "./sink.ts";
import type { Tally } from "./tally.ts";

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
  readonly #tally: Tally;
  readonly #machine: Machine;
  readonly #native: Native;
  readonly #engine: Engine;
  readonly #feed: Feed;
  readonly #sink: Sink;
  readonly #control: Control;
  readonly #started: boolean;
  #link: Link | undefined;
  /** What the socket has not taken of a head. */
  #unsentHead: Uint8Array | undefined;
  #stopWaiting: (() => void) | undefined;
  /** Bytes of the current unit that have been announced and not been sent. */
  #owed = 0;

  constructor(machine: Machine, engine: Engine, feed: Feed, sink: Sink, tally: Tally, begun: Begun, control: Control) {
    this.#machine = machine;
    this.#native = engine.native;
    this.#engine = engine;
    this.#feed = feed;
    this.#sink = sink;
    this.#control = control;
    this.#tally = tally;
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
  #letGo(): void {
    this.#sink.letGo();
    this.#feed.letGo();
  }

  /** Moves what there is. Synchronous as long as nothing has to wait. */
  move(turn: Turn): Moved | Promise<Moved> {
    const { stopped } = this.#control;
    if (stopped !== undefined && !this.#started) return back(stopped);
    const ends = this.#open();
    if ("kind" in ends) return ends;
    const { source, target, range } = ends;
    if (isSameFile(source, target)) return back("source and target are the same file");
    if (range.length === 0) return this.#started ? this.#ended() : back("there is nothing to send");
    const plan = this.#plan(source, target, range);
    const objection = this.#sink.commit();
    if (objection !== undefined) return back(objection);
    if (this.#sink.room <= 0) return this.#ended();
    const { fd } = this.#sink;
    if (fd === undefined) return back("the target has no descriptor");
    const link = new Link(this.#engine, this.#feed.fd, fd, true, () => this.#letGo());
    this.#link = link;
    this.#sink.begin(link);
    this.#feed.begin(link);
    const unit = this.#unit(plan);
    const sent = this.#send(turn, link, unit);
    if ("then" in sent) return sent.then((account) => this.#rest(turn, link, unit, account));
    return this.#rest(turn, link, unit, sent);
  }

  /** Both ends as they are now, and what is to be moved; or why nothing can be. */
  #open(): { source: Endpoint; target: Endpoint; range: Range } | Moved {
    const target = this.#sink.open(this.#native);
    if (typeof target === "string") return back(target);
    const source = this.#feed.inspect(this.#native);
    if (typeof source === "string") return back(source);
    return { source, target, range: this.#feed.range(source) };
  }

  #plan(source: Endpoint, target: Endpoint, { offset, length }: Range): Plan {
    const { targetOffset } = this.#sink;
    return select(source, target, { ...ordinary, offset, length, targetOffset }, this.#machine.knowledge);
  }

  /** The part of a plan that goes out as one unit. */
  #unit(plan: Plan): Plan {
    const { room, unit } = this.#sink;
    const most = this.#owed > 0 ? this.#owed : Math.min(room, unit);
    if (plan.length === undefined || plan.length <= most) return plan;
    return this.#plan(plan.source, plan.target, { offset: plan.offset ?? 0, length: most });
  }

  /** After the first unit most bodies are done, or go on by Node. */
  #rest(turn: Turn, link: Link, plan: Plan, account: Account): Moved | Promise<Moved> {
    this.#enter(account);
    const next = this.#next(plan.source);
    if ("kind" in next) return next;
    this.#control.waiting();
    return this.#loop(turn, link, this.#plan(next.source, plan.target, next.range));
  }

  async #loop(turn: Turn, link: Link, first: Plan): Promise<Moved> {
    // The descriptors must outlive this turn of the event loop, in which the runtime may close them.
    if (link.hold() < 0) return back("no descriptor is left for a duplicate");
    for (let plan = this.#unit(first); ;) {
      this.#enter(await this.#send(turn, link, plan));
      const next = this.#next(plan.source);
      if ("kind" in next) return next;
      plan = this.#unit(this.#plan(next.source, plan.target, next.range));
    }
  }

  /** What comes after a unit: more bytes, or the end. */
  #next(before: Endpoint): { source: Endpoint; range: Range } | Moved {
    const { stopped } = this.#control;
    if (stopped !== undefined) return back(stopped);
    if (before.size === undefined) return back(this.#tally.reason);
    if (this.#feed.complete || this.#sink.room <= 0) return this.#ended();
    const source = this.#feed.inspect(this.#native);
    if (typeof source === "string") return back(source);
    const range = this.#feed.range(source);
    return range.length === 0 ? this.#ended() : { source, range };
  }

  /** The source is at its end: which may be too early for a chunk. */
  #ended(): Moved {
    if (this.#owed > 0) throw shorter(this.#owed);
    return { kind: "end", reason: this.#tally.reason };
  }

  /**
   * What the target has been told to expect, which nobody can take back, however much the stream is wanted for
   * something else: the rest of a head, and of the bytes of a chunk.
   */
  async readAnnounced(): Promise<Uint8Array | undefined> {
    const head = this.#unsentHead;
    this.#unsentHead = undefined;
    if (this.#owed === 0) return head;
    const owed = await this.#feed.readAhead(this.#owed);
    if (owed.byteLength < this.#owed) throw shorter(this.#owed - owed.byteLength);
    this.#advance(owed.byteLength);
    return head === undefined ? owed : Buffer.concat([head, owed]);
  }

  /** Sends one unit, or what is left of it. */
  #send(turn: Turn, link: Link, plan: Plan): Account | Promise<Account> {
    const head = this.#unsentHead ?? (this.#owed > 0 ? undefined : this.#announce(plan.length ?? 0));
    if (head === undefined) return this.#drive(link, plan);
    this.#unsentHead = undefined;
    this.#control.waiting();
    link.hold();
    const written = new Promise<void>((resolve, reject) => {
      // What is written is written, also for a peer that stands still; nobody has to wait for that who has to stop.
      this.#stopWaiting = resolve;
      turn.write(head).then(resolve, reject);
    });
    return written.then(() => {
      const { stopped } = this.#control;
      if (stopped !== undefined) throw new TransferError(stopped, { code: "ABORT_ERR" });
      return this.#drive(link, plan);
    });
  }

  #announce(length: number): Uint8Array | undefined {
    if (this.#sink.unit < Infinity) this.#owed = length;
    return sendHead(this.#engine, this.#sink, length);
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
      const account = drive(transferLoop(plan, this.#machine.capabilities), run);
      return "then" in account ? account.catch(salvage) : account;
    } catch (error) {
      return salvage(error);
    }
  }

  #enter(account: Account): void {
    this.#tally.add(account);
    this.#advance(account.bytes);
  }

  /** What a failed attempt had moved has left, and is not sent again. */
  #salvage(error: unknown): void {
    if (!(error instanceof TransferError)) return;
    this.#tally.addFailed(error);
    this.#advance(error.bytesTransferred);
    const { bytesStranded } = error;
    if (bytesStranded > 0 && this.#link !== undefined) this.#feed.unread?.(this.#link.residue(bytesStranded));
  }

  #advance(bytes: number): void {
    this.#feed.moved(bytes);
    this.#sink.bodySent(bytes);
    if (this.#owed > 0) this.#owed -= bytes;
  }
}
