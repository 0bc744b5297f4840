/** What an instance may use, and what it has used. */
import { argumentError, TransferError } from "../../core/error.ts";
import { checkKnown } from "../../core/options.ts";
import type { OpenHandle } from "./native-handle.ts";
import type { Limits } from "./options.ts";
import { closeSync } from "node:fs";

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

function exceeded(what: string): TransferError {
  return new TransferError(`Cannot go on: ${what}`, { code: "ERR_SLUICE_LIMIT" });
}

export class Budget {
  readonly #handles = new Set<OpenHandle>();
  readonly #limits: CheckedLimits;
  #spent = 0;

  constructor(limits: CheckedLimits) {
    this.#limits = limits;
  }

  /** Bytes that may still be read, written or moved. */
  get left(): number {
    return this.#limits.bytes - this.#spent;
  }

  get openHandles(): number {
    return this.#handles.size;
  }

  /** Before anything is opened. */
  checkHandles(): void {
    if (this.#handles.size >= this.#limits.openHandles) throw exceeded(`${this.#handles.size} files are open already`);
  }

  opened(handle: OpenHandle): void {
    this.#handles.add(handle);
  }

  closed(handle: OpenHandle): void {
    this.#handles.delete(handle);
  }

  check(bytes: number): void {
    if (bytes > this.left) throw exceeded(`${bytes} bytes are more than the ${this.left} left`);
  }

  /** Bytes are paid for before they move, whatever becomes of them. */
  spend(bytes: number): void {
    this.check(bytes);
    this.#spent += bytes;
  }

  checkFile(size: number): void {
    if (size > this.#limits.fileBytes)
      throw exceeded(`a file of ${size} bytes is larger than ${this.#limits.fileBytes}`);
  }

  closeAll(): void {
    for (const handle of this.#handles) {
      const { fd } = handle;
      handle.fd = -1;
      if (fd >= 0) closeSync(fd);
    }
    this.#handles.clear();
  }
}
