/** What copy, send and receive have in common: progress, Ctrl-C, the report or the error, the exit code. */
import process from "node:process";
import type { Report } from "../core/transfer/report.ts";
import { describeFailure, exitCodes, UsageError } from "./exit.ts";
import { formatBytes, formatDuration, formatRate } from "./format.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { showProgress } from "./progress.ts";
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

/** Runs one transfer of the command line. `action` completes "Cannot …". Sets the exit code; never throws. */
export async function runJob(
  action: string,
  options: JobOptions,
  work: (context: JobContext) => Promise<Report>,
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
    else if (options.quiet !== true) tell(summary(report));
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
