/** What an instance may use, and what it has used. */
import { argumentError } from "../../core/error.ts";
import { checkKnown } from "../../core/options.ts";
import type { Limits } from "./options.ts";

const usualHandles = 64;

function limit(name: keyof Limits, value: unknown, usual: number): number {
  if (value === undefined || value === Infinity) return value === undefined ? usual : Infinity;
  if (typeof value !== "number")
    throw argumentError("ERR_INVALID_ARG_TYPE", `limits.${name} must be a number, got ${typeof value}`);
  if (!Number.isSafeInteger(value) || value < 0)
    throw argumentError("ERR_OUT_OF_RANGE", `limits.${name} must be a whole number from 0 to 2^53 - 1, got ${value}`);
  return value;
}

export type CheckedLimits = Required<{ [K in keyof Limits]: number }>;

/** Checked limits. @throws TypeError, RangeError */
export function checkLimits(limits: Limits): CheckedLimits {
  checkKnown(limits, { openHandles: true, bytes: true, fileBytes: true });
  const { openHandles, bytes, fileBytes } = limits;
  return {
    openHandles: limit("openHandles", openHandles, usualHandles),
    bytes: limit("bytes", bytes, Infinity),
    fileBytes: limit("fileBytes", fileBytes, Infinity),
  };
}

/** Makes the error for what would exceed a limit. */
export type Refusal = (limit: keyof Limits, what: string) => Error;

export class Budget {
  readonly #open = new Set<Disposable>();
  readonly #limits: CheckedLimits;
  readonly #refusal: Refusal;
  #spent = 0;

  constructor(limits: CheckedLimits, refusal: Refusal) {
    this.#limits = limits;
    this.#refusal = refusal;
  }

  /** Bytes that may still be read, written or moved. */
  get left(): number {
    return this.#limits.bytes - this.#spent;
  }

  get openHandles(): number {
    return this.#open.size;
  }

  /** Before anything is opened. */
  checkOpen(): void {
    const { size } = this.#open;
    if (size >= this.#limits.openHandles) throw this.#refusal("openHandles", `${size} files are open already`);
  }

  /** Counts what has been opened; what is too much is closed. */
  opened(handle: Disposable): void {
    try {
      this.checkOpen();
      this.#open.add(handle);
    } catch (error) {
      handle[Symbol.dispose]();
      throw error;
    }
  }

  closed(handle: Disposable): void {
    this.#open.delete(handle);
  }

  check(bytes: number): void {
    if (bytes > this.left) throw this.#refusal("bytes", `${bytes} bytes are more than the ${this.left} left`);
  }

  /** Bytes are paid for before they move, whatever becomes of them. */
  spend(bytes: number): void {
    this.check(bytes);
    this.#spent += bytes;
  }

  /** Pays for what is left of so many bytes, which must not be nothing: how many that are. */
  spendMost(bytes: number): number {
    const most = Math.min(bytes, this.left);
    if (most === 0) this.check(bytes);
    this.#spent += most;
    return most;
  }

  /** Gives back what was paid for and did not move. */
  refund(bytes: number): void {
    this.#spent -= bytes;
  }

  checkFile(size: number): void {
    const { fileBytes } = this.#limits;
    if (size > fileBytes) throw this.#refusal("fileBytes", `a file of ${size} bytes is larger than ${fileBytes}`);
  }

  closeAll(): void {
    for (const handle of this.#open) handle[Symbol.dispose]();
    this.#open.clear();
  }
}
