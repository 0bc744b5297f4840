/** One target of a tee: an ordinary transfer of its own, and what is to be said of it. */
import { TransferError, withPaths } from "../../core/error.ts";
import type { Report } from "../../core/transfer/report.ts";
import type { TeeRequest, TeeTargetReport } from "../../core/tee.ts";
import type { Target } from "../api.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { Machine } from "../engine/machine.ts";
import { nameOf } from "../ends/open-path.ts";
import { asTransferError } from "../support/system-error.ts";
import { transferFrom } from "../transfer/transfer.ts";

/** Only paths know of these. */
function pathOptions(target: Target, { atomic, durable }: TeeRequest): { atomic?: boolean; durable?: boolean } {
  return typeof target === "string" || target instanceof URL ? { atomic, durable } : {};
}

export class Branch {
  /** Settles when the target's transfer has; never rejects. */
  readonly ended: Promise<void>;
  readonly #abort = new AbortController();
  readonly #path: string | undefined;
  #report: Report | undefined;
  #error: TransferError | undefined;
  #dropped = false;
  #isOver = false;
  #progress: (() => number) | undefined;

  /**
   * @param range what of the source the transfer moves
   * @param sourceEnded resolves or rejects as the source has ended, before a file that is to be whole gets its name
   */
  constructor(
    machine: Machine,
    source: SourceEnd,
    target: Target,
    request: TeeRequest,
    range: { readonly offset?: number; readonly length?: number | undefined },
    sourceEnded?: () => Promise<void>,
  ) {
    this.#path = typeof target === "string" || target instanceof URL ? nameOf(target) : undefined;
    const options = { ...range, ...pathOptions(target, request), signal: this.#abort.signal };
    const hooks = {
      onStart: (progress: () => number) => void (this.#progress = progress),
      ...(sourceEnded !== undefined && { beforeCommit: sourceEnded }),
    };
    this.ended = transferFrom(machine, source, target, options, hooks).then(
      (report) => {
        this.#report = report;
        this.#isOver = true;
      },
      (error: unknown) => {
        this.#error = wrapped(asTransferError(error));
        this.#isOver = true;
      },
    );
  }

  /** Bytes that the target has taken; undefined when its transfer is over. */
  get taken(): number | undefined {
    return this.#isOver ? undefined : (this.#progress?.() ?? 0);
  }

  get error(): TransferError | undefined {
    return this.#error;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Leaves the target out, because it is too slow. */
  drop(lag: number): void {
    if (this.#isOver) return;
    this.#dropped = true;
    this.#abort.abort(new Error(`The target was ${lag} bytes or more behind the fastest`));
  }

  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /**
   * @param failure why the whole has failed, if it has
   * @param path the source's
   */
  conclude(failure: TransferError | undefined, path: string | undefined): TeeTargetReport {
    const failed = this.#error ?? failure;
    const error = failed && withPaths(failed, { path, dest: this.#path });
    const bytes = this.#report?.bytes ?? this.#error?.bytesTransferred ?? 0;
    const end = error === undefined ? "complete" : this.#dropped ? "dropped" : "failed";
    return { end, bytes, report: this.#report, error };
  }
}

function wrapped(error: unknown): TransferError {
  if (error instanceof TransferError) return error;
  const { code } = error as { readonly code?: unknown };
  return new TransferError(error instanceof Error ? error.message : String(error), {
    code: typeof code === "string" ? code : "ERR_SLUICE_FAILED",
    cause: error,
  });
}
