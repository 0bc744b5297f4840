/** What copy, send and receive have in common: progress, Ctrl-C, the report or the error, the exit code. */
import process from "node:process";
import { SingleBar } from "cli-progress";
import type { Report } from "sluice";
import { describeFailure, exitCodes, ReaderGoneError, UsageError } from "./exit.ts";
import { formatBytes, formatDuration, formatRate } from "./format.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { printJson, tell } from "./screen.ts";

export interface JobOptions {
  /** Print the report as data on stdout, and nothing else there. */
  readonly json?: boolean;
  /** Say nothing when all is well. */
  readonly quiet?: boolean;
}

export interface JobContext {
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number) => void;
  /** Starts the bar; before this there is nothing to show. `totalBytes` is undefined where it isn't known. */
  expect(totalBytes: number | undefined): void;
}

/** Runs one transfer of the command line, a file or several. `action` completes "Cannot …". Sets the exit code; never throws. */
export function runJob(
  action: string,
  options: JobOptions,
  work: (context: JobContext) => Promise<Report>,
): Promise<void>;
export function runJob<R>(
  action: string,
  options: JobOptions,
  work: (context: JobContext) => Promise<R>,
  summarise: (report: R) => string,
): Promise<void>;
export async function runJob(
  action: string,
  options: JobOptions,
  work: (context: JobContext) => Promise<Report>,
  summarise: (report: Report) => string = summary,
): Promise<void> {
  const interruption = listenForInterrupt();
  let progress = showProgress(undefined);
  const context: JobContext = {
    signal: interruption.signal,
    onProgress: (bytes) => progress.update(bytes),
    expect(totalBytes) {
      progress.stop();
      progress = showProgress(totalBytes);
    },
  };
  try {
    const report = await work(context);
    progress.stop();
    if (options.json === true) printJson(report);
    else if (options.quiet !== true) tell(summarise(report));
  } catch (error) {
    progress.stop();
    fail(action, options, error, interruption.received());
  } finally {
    interruption.stop();
  }
}

function summary({ bytes, strategy, durationNs }: Report): string {
  const seconds = durationNs / 1e9;
  const how = strategy === undefined ? "" : `, by ${strategy}`;
  return `${formatBytes(bytes)} in ${formatDuration(seconds)} (${formatRate(bytes, seconds)})${how}`;
}

/** The exact count behind a rounded one. */
const exactly = (bytes: number): string => (bytes < 1024 ? "" : ` (${bytes} bytes)`);

function fail(action: string, { json }: JobOptions, error: unknown, interrupt: "SIGINT" | "SIGTERM" | undefined): void {
  if (error instanceof ReaderGoneError) {
    process.exitCode = exitCodes.SIGPIPE;
    return;
  }
  const { code, message, bytesTransferred } = describeFailure(action, error);
  const interrupted = interrupt !== undefined && code === "ABORT_ERR";
  const line = interrupted
    ? `Interrupted by ${interrupt} after ${formatBytes(bytesTransferred)}${exactly(bytesTransferred)}`
    : message;
  tell(`sluice: ${line}`);
  if (error instanceof UsageError) {
    process.exitCode = exitCodes.usage;
    return;
  }
  if (json === true) printJson({ error: { code, message: line, bytesTransferred } });
  process.exitCode = interrupted ? exitCodes[interrupt] : exitCodes.failed;
}

/** What is over before this needs no bar. Milliseconds. */
const patienceMs = 1000;

interface Progress {
  update(bytes: number): void;
  /** Takes the bar off the screen. */
  stop(): void;
}

const silent: Progress = { update: () => undefined, stop: () => undefined };

const barWidth = 24;

function renderKnown(bytes: number, totalBytes: number, seconds: number, etaSeconds: number): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes);
  const filled = Math.floor(share * barWidth);
  const bar = "█".repeat(filled) + "░".repeat(barWidth - filled);
  const eta = Number.isFinite(etaSeconds) ? `, ${formatDuration(etaSeconds, 0)} to go` : "";
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `${bar} ${percent}  ${formatBytes(bytes)} of ${formatBytes(totalBytes)}, ${formatRate(bytes, seconds)}${eta}`;
}

function renderOpen(bytes: number, seconds: number): string {
  return `${formatBytes(bytes)}, ${formatRate(bytes, seconds)}, ${formatDuration(seconds, 0)}`;
}

/** Shows the progress of a transfer, on a terminal only. `totalBytes` is undefined where the end isn't known. */
function showProgress(totalBytes: number | undefined): Progress {
  const { stderr } = process;
  if (!stderr.isTTY) return silent;
  const startMs = Date.now();
  const bar = new SingleBar({
    stream: stderr,
    clearOnComplete: true,
    format: (_options, { value, eta }) => {
      const seconds = (Date.now() - startMs) / 1000;
      return totalBytes === undefined ? renderOpen(value, seconds) : renderKnown(value, totalBytes, seconds, eta);
    },
  });
  let moved = 0;
  const timer = setTimeout(() => bar.start(totalBytes ?? 0, moved), patienceMs).unref();
  return {
    update(bytes) {
      moved = bytes;
      bar.update(bytes);
    },
    stop() {
      clearTimeout(timer);
      bar.stop();
    },
  };
}
