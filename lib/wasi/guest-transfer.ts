/** sluice:transfer/transfer of an instance, shaped as the package's own functions. */
import type * as Transfer from "../../wasm/types/host/interfaces/sluice-transfer-transfer.d.ts";
import { type ErrorCase, errorOfCase } from "../../core/wasi/component.ts";
import { TransferError, withPathsIn } from "../../core/error.ts";
import { type ByteCount, checkKnown, type Names, optionalCount } from "../../core/options.ts";
import type { Copied } from "../../core/plan/kernel.ts";

export interface GuestTransferOptions {
  /** Where in the source to start, in bytes. Default 0. */
  readonly offset?: ByteCount | undefined;
  /** Most bytes to move. Default: to the end. */
  readonly length?: ByteCount | undefined;
  /** Where in the target to write. Default: it is emptied, and written from its start. */
  readonly targetOffset?: ByteCount | undefined;
  /** Mechanisms by their names, in order. Default: the best. */
  readonly strategies?: readonly string[] | undefined;
}

export interface GuestCopyOptions {
  /** Whether an existing target is replaced. Default true. */
  readonly overwrite?: boolean | undefined;
  /** Whether to wait until the copy is on the disk. Default false. */
  readonly durable?: boolean | undefined;
}

/** A report that came out of a component. Sizes in bytes, times in nanoseconds. */
export interface GuestReport {
  readonly bytes: number;
  readonly strategy: string | undefined;
  readonly attempts: readonly {
    readonly strategy: string;
    readonly bytes: number;
    readonly code: string | undefined;
    readonly reason: string;
  }[];
  readonly copied: Copied;
  readonly syscalls: number;
  readonly cpuNs: number;
  readonly durationNs: number;
}

export interface GuestExplanation {
  readonly source: { readonly name: string; readonly kind: string; readonly size: number | undefined };
  readonly target: { readonly name: string; readonly kind: string; readonly size: number | undefined };
  readonly offset: number | undefined;
  readonly length: number | undefined;
  readonly candidates: readonly {
    readonly strategy: string;
    readonly reason: string;
    readonly copies: string;
    readonly switchesPerRound: number;
    readonly copied: Copied;
  }[];
  readonly rejected: readonly { readonly strategy: string; readonly reason: string }[];
  /** For a terminal. */
  readonly drawing: string;
}

export type GuestCapabilities = ReturnType<typeof Transfer.capabilities>;

/**
 * What an instance does. It answers at once, holding this thread meanwhile: run it in a Worker where that matters.
 *
 * All throw TransferError with `code` (an errno name or `ERR_SLUICE_*`), `bytesTransferred`, `sourceOffset`, and the `path` and `dest` of the call.
 */
export interface GuestTransfer extends Disposable {
  /** Moves a range of a file into another; see `transfer()`. Paths are the guest's: "/data/log.bin". */
  transfer(source: string, target: string, options?: GuestTransferOptions): GuestReport;
  /** Copies a file; the target is its old self or the complete copy. */
  copyFile(source: string, target: string, options?: GuestCopyOptions): GuestReport;
  explain(source: string, target: string, options?: GuestTransferOptions): GuestExplanation;
  capabilities(): GuestCapabilities;
  /** Closes all that the instance has open. Its functions throw `ERR_SLUICE_CLOSED` then. */
  close(): void;
}

/** A value of ours as it crosses the boundary, with numbers for the bigints of what comes back. */
type Plain<T> = T extends bigint ? number : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

function plain<T>(value: T): Plain<T> {
  if (typeof value === "bigint") return Number(value) as Plain<T>;
  if (Array.isArray(value)) return value.map(plain) as Plain<T>;
  if (typeof value !== "object" || value === null) return value as Plain<T>;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)])) as Plain<T>;
}

type HostCase = ErrorCase<bigint, undefined>;

/** The variant in what jco threw: as it is, or as the payload of an error. */
function caseOf(thrown: unknown): HostCase | undefined {
  for (const candidate of [thrown, (thrown as { readonly payload?: unknown } | null | undefined)?.payload])
    if (typeof candidate === "object" && candidate !== null && "tag" in candidate && "val" in candidate)
      return candidate as HostCase;
  return undefined;
}

const transferOptions: Names<GuestTransferOptions> = {
  offset: true,
  length: true,
  targetOffset: true,
  strategies: true,
};
const copyOptions: Names<GuestCopyOptions> = { overwrite: true, durable: true };

function copyRecord(options: GuestCopyOptions) {
  checkKnown(options, copyOptions);
  const { overwrite = true, durable = false } = options;
  return { overwrite, durable };
}

function optionsRecord(options: GuestTransferOptions) {
  checkKnown(options, transferOptions);
  const big = (name: "offset" | "length" | "targetOffset") => {
    const count = optionalCount(name, options[name]);
    return count === undefined ? undefined : BigInt(count);
  };
  const [offset, length, targetOffset] = [big("offset") ?? 0n, big("length"), big("targetOffset")];
  return { offset, length, targetOffset, strategies: [...(options.strategies ?? [])] };
}

export function guestTransfer(exported: typeof Transfer, onClose: () => void): GuestTransfer {
  let open = true;
  /** A trap has left the instance in an unknown state: it is not entered again. */
  let trap: unknown;
  const ask = <T>(call: () => T): Plain<T> => {
    if (!open || trap !== undefined)
      throw new TransferError(`Cannot call the component: it ${open ? "has trapped before" : "is closed"}`, {
        code: "ERR_SLUICE_CLOSED",
        cause: trap,
      });
    try {
      return plain(call());
    } catch (thrown) {
      const found = caseOf(thrown);
      if (found !== undefined) throw errorOfCase(found, Number);
      trap = thrown;
      throw new TransferError(`Cannot go on: the component trapped: ${String(thrown)}`, {
        code: "ERR_SLUICE_FAILED",
        cause: thrown,
      });
    }
  };
  const between = <T>(path: string, dest: string, call: () => T) => withPathsIn({ path, dest }, () => ask(call));
  const close = () => {
    open = false;
    onClose();
  };
  return {
    transfer: (source, target, options = {}) => {
      const record = optionsRecord(options);
      return between(source, target, () => exported.transfer(source, target, record));
    },
    copyFile: (source, target, options = {}) => {
      const record = copyRecord(options);
      return between(source, target, () => exported.copyFile(source, target, record));
    },
    explain: (source, target, options = {}) => {
      const record = optionsRecord(options);
      return between(source, target, () => exported.explain(source, target, record));
    },
    capabilities: () => ask(() => exported.capabilities()),
    close,
    [Symbol.dispose]: close,
  };
}
