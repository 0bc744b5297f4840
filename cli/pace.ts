/** A rate that a transfer is held to: it moves a piece, and waits until its time has passed. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Report, TransferError, type TransferOptions } from "sluice";

/** Parts of a second: how long a piece takes. */
const piecesPerSecond = 10;

/** The engine moves more than this at a time without waiting. Bytes. */
const largestPiece = 64 * 2 ** 20;

/** What was missed while the other side stood still is not made up for beyond this. Milliseconds. */
const mostBehindMs = 1_000;

/** One rate, for one transfer or for several one after the other. */
export class Pace {
  readonly pieceBytes: number;
  readonly #bytesPerMs: number;
  /** When the next byte may go. */
  #dueMs = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.pieceBytes = Math.min(largestPiece, Math.ceil(bytesPerSecond / piecesPerSecond));
  }

  /** Something is to be moved: the time before it counts for nothing. */
  begin(): void {
    this.#dueMs = Math.max(this.#dueMs, performance.now());
  }

  /** Waits until so many bytes may have gone. Resolves at once when that is aborted: whoever moves bytes hears of it. */
  async spend(bytes: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#dueMs = Math.max(this.#dueMs, now - mostBehindMs) + bytes / this.#bytesPerMs;
    const waitMs = this.#dueMs - now;
    if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => undefined);
  }
}

interface PacedOptions extends Pick<TransferOptions, "onProgress"> {
  readonly signal: AbortSignal;
  /** Undefined: to the end. */
  readonly length?: number | undefined;
}

/** What a piece of a transfer needs to know. */
export interface Piece {
  /** Bytes that went before. */
  readonly moved: number;
  readonly length: number | undefined;
  readonly onProgress: (bytes: number) => void;
}

/** Moves everything in one go, or in pieces at a pace. */
export async function atPace(
  pace: Pace | undefined,
  { signal, length = Infinity, onProgress }: PacedOptions,
  move: (piece: Piece) => Promise<Report>,
): Promise<Report> {
  const startMs = performance.now();
  let whole: Report | undefined;
  pace?.begin();
  for (;;) {
    const moved = whole?.bytes ?? 0;
    const left = length - moved;
    const asked = Math.min(left, pace?.pieceBytes ?? Infinity);
    const piece = {
      moved,
      length: asked === Infinity ? undefined : asked,
      onProgress: (bytes: number) => onProgress?.(moved + bytes),
    };
    const report = await move(piece).catch((error: unknown) => {
      throw moved === 0 ? error : after(moved, error);
    });
    whole = whole === undefined ? report : join(whole, report);
    if (pace === undefined) return whole;
    if (report.bytes < asked || report.bytes === left) break;
    await pace.spend(report.bytes, signal);
  }
  return { ...whole, durationNs: Math.round((performance.now() - startMs) * 1e6) };
}

/** The same error, with what went before it. */
function after(moved: number, error: unknown): unknown {
  if (!(error instanceof TransferError)) return error;
  const { code, strategy, attempts } = error;
  return new TransferError(error.message, {
    code,
    strategy,
    attempts,
    bytesTransferred: moved + error.bytesTransferred,
    cause: error,
  });
}

/** Attempts are those of the first piece: the others are alike. */
const join = (one: Report, next: Report): Report => ({
  ...one,
  strategy: one.strategy ?? next.strategy,
  bytes: one.bytes + next.bytes,
  syscalls: one.syscalls + next.syscalls,
  waits: one.waits + next.waits,
  cpuNs: one.cpuNs + next.cpuNs,
  leaseBroken: one.leaseBroken || next.leaseBroken,
});
