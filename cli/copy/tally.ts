/** What came of a copy of several files: those that failed are told, and the others go on. */
import process from "node:process";
import { type Report, TransferError } from "sluice";
import { describeFailure, exitCodes, ReaderGoneError, UsageError } from "../exit.ts";
import { formatBytes, formatDuration, formatRate } from "../format.ts";
import type { JobContext } from "../job.ts";
import { tell } from "../screen.ts";

/** A path, and how it is written for people: what is reached through a descriptor has no name of its own. */
export interface Name {
  readonly path: string;
  readonly shown: string;
}

export interface TallyReport {
  readonly files: number;
  readonly folders: number;
  readonly links: number;
  /** Files that were there already, as --no-clobber or --checksum have it. */
  readonly skipped: number;
  readonly bytes: number;
  readonly failed: readonly {
    readonly from: string;
    readonly to: string;
    readonly code: string | undefined;
    readonly message: string;
  }[];
  readonly durationNs: number;
}

export class Tally {
  readonly #context: JobContext;
  readonly #isVerbose: boolean;
  readonly #startMs = performance.now();
  readonly #counts = { files: 0, folders: 0, links: 0, skipped: 0, bytes: 0 };
  readonly #failed: TallyReport["failed"][number][] = [];

  constructor(context: JobContext, isVerbose: boolean) {
    this.#context = context;
    this.#isVerbose = isVerbose;
  }

  /** For one file of many. */
  get context(): JobContext {
    const { bytes: before } = this.#counts;
    const { signal, onProgress } = this.#context;
    return { signal, onProgress: (bytes) => onProgress(before + bytes), expect: () => undefined };
  }

  copied(what: "files" | "folders" | "links", from: Name, to: Name, report?: Report): void {
    this.#counts[what]++;
    this.#counts.bytes += report?.bytes ?? 0;
    if (this.#isVerbose) tell(`${from.shown} -> ${to.shown}`);
  }

  skipped(to: Name, why: string): void {
    this.#counts.skipped++;
    if (this.#isVerbose) tell(`${to.shown} skipped: ${why}`);
  }

  /** Does a part of the work. A failure is told and counted; the end of the whole is thrown: Ctrl-C, wrong usage, a reader that went. */
  async attempt(from: Name, to: Name, work: () => Promise<void>): Promise<void> {
    const { signal } = this.#context;
    this.#throwIfAborted(signal, undefined);
    try {
      await work();
    } catch (error) {
      if (error instanceof UsageError || error instanceof ReaderGoneError) throw error;
      this.#throwIfAborted(signal, error);
      const { code, message: long } = describeFailure(`copy ${from.shown} to ${to.shown}`, error);
      const message = long.replaceAll(from.path, from.shown).replaceAll(to.path, to.shown);
      tell(`sluice: ${message}`);
      this.#failed.push({ from: from.shown, to: to.shown, code, message });
      process.exitCode = exitCodes.failed;
    }
  }

  #throwIfAborted({ aborted }: AbortSignal, error: unknown): void {
    if (!aborted) return;
    // What has passed through another attempt is counted.
    if (error instanceof AllEnded) throw error;
    const bytes = error instanceof TransferError ? error.bytesTransferred : 0;
    throw new AllEnded("aborted", { code: "ABORT_ERR", bytesTransferred: this.#counts.bytes + bytes });
  }

  report(): TallyReport {
    const durationNs = Math.round((performance.now() - this.#startMs) * 1e6);
    return { ...this.#counts, failed: this.#failed, durationNs };
  }
}

/** The end of the whole copy. */
class AllEnded extends TransferError {}

const many = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;

export function summary({ files, folders, links, skipped, bytes, failed, durationNs }: TallyReport): string {
  const seconds = durationNs / 1e9;
  const parts = [
    many(files, "file"),
    folders > 0 && many(folders, "folder"),
    links > 0 && many(links, "link"),
    skipped > 0 && `${skipped} skipped`,
    failed.length > 0 && `${failed.length} failed`,
  ].filter((part) => part !== false);
  return `${parts.join(", ")}: ${formatBytes(bytes)} in ${formatDuration(seconds)} (${formatRate(bytes, seconds)})`;
}
