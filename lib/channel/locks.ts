/** The locks of one file channel. */
import { lockTypes } from "../../core/abi/abi.ts";
import { extentRecord } from "../../core/abi/records.ts";
import { type LockRange, overlap } from "../../core/channel.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { TransferError } from "../../core/error.ts";
import { delay } from "../support/delay.ts";
import { RecordMemory } from "../engine/record-memory.ts";
import type { Machine } from "../engine/machine.ts";
import { callFailed } from "../support/system-error.ts";

/**
 * How long to wait before a lock that somebody else has is tried again, in milliseconds. The kernel can hold up a
 * thread until it is free, but it tells nobody who is not held up.
 */
const firstRetryMs = 1;
const lastRetryMs = 64;

/** A lock on a range of a file. */
export class FileLock implements Disposable {
  /** In bytes. */
  readonly position: number;
  /** In bytes; Infinity: wherever the file ends. */
  readonly size: number;
  readonly shared: boolean;
  readonly #release: () => void;
  readonly #isHeld: () => boolean;

  constructor({ start, end }: LockRange, shared: boolean, release: () => void, isHeld: () => boolean) {
    this.position = start;
    this.size = end - start;
    this.shared = shared;
    this.#release = release;
    this.#isHeld = isHeld;
  }

  /** Whether it is held: it was neither released, nor was its channel closed. */
  get isValid(): boolean {
    return this.#isHeld();
  }

  /** Releases it. The second time does nothing. */
  release(): void {
    this.#release();
  }

  [Symbol.dispose](): void {
    this.#release();
  }
}

export class Locks {
  readonly #machine: Machine;
  readonly #fd: number;
  readonly #name: string;
  /** What is locked, and what is being waited for. */
  readonly #ranges = new Set<LockRange>();

  constructor(machine: Machine, fd: number, name: string) {
    this.#machine = machine;
    this.#fd = fd;
    this.#name = name;
  }

  /** Whether the kernel has done it; false where somebody else has the range. */
  #set({ start, end }: LockRange, type: keyof typeof lockTypes): boolean {
    const { native } = this.#machine;
    if (typeof native === "string")
      throw new TransferError(`Cannot lock ${this.#name}: ${native}`, { code: "ERR_SLUICE_UNSUPPORTED" });
    const { bytes, view } = new RecordMemory(extentRecord.size);
    extentRecord.set(view, "start", start);
    extentRecord.set(view, "end", end === Infinity ? -1 : end);
    const answer = native.sluice_lock(this.#fd, lockTypes[type], bytes);
    if (answer >= 0) return true;
    const code = errnoName(-answer);
    if (code === "EAGAIN" || code === "EACCES") return false;
    throw callFailed(`lock ${this.#name}`, "fcntl", code);
  }

  /** The kernel would take a second lock of one channel for a change of the first. */
  #claim(range: LockRange): void {
    for (const other of this.#ranges) {
      if (!overlap(range, other)) continue;
      throw new TransferError(`Cannot lock ${this.#name}: this channel has locked some of the range already`, {
        code: "ERR_SLUICE_OVERLAP",
      });
    }
    this.#ranges.add(range);
  }

  #locked(range: LockRange, shared: boolean): FileLock {
    const release = () => {
      if (this.#ranges.delete(range)) this.#set(range, "none");
    };
    return new FileLock(range, shared, release, () => this.#ranges.has(range));
  }

  /** Undefined where somebody else has some of the range. */
  try(range: LockRange, shared: boolean): FileLock | undefined {
    this.#claim(range);
    let locked = false;
    try {
      locked = this.#set(range, shared ? "shared" : "exclusive");
    } finally {
      if (!locked) this.#ranges.delete(range);
    }
    return locked ? this.#locked(range, shared) : undefined;
  }

  /** Waits for the range to be free, or until `closed` is aborted: then undefined. */
  async wait(range: LockRange, shared: boolean, closed: AbortSignal): Promise<FileLock | undefined> {
    this.#claim(range);
    let locked = false;
    try {
      for (let waitMs = firstRetryMs; !closed.aborted; waitMs = Math.min(2 * waitMs, lastRetryMs)) {
        locked = this.#set(range, shared ? "shared" : "exclusive");
        if (locked) return this.#locked(range, shared);
        await delay(waitMs, { signal: closed });
      }
      return undefined;
    } finally {
      if (!locked) this.#ranges.delete(range);
    }
  }

  /** Forgets all of them: closing the file releases them. */
  clear(): void {
    this.#ranges.clear();
  }
}
