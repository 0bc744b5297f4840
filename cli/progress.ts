/** A bar on stderr for what lasts, with rate and time to go. */
import process from "node:process";
import { SingleBar } from "cli-progress";
import { formatBytes, formatDuration, formatRate } from "./format.ts";

/** What is over before this needs no bar. Milliseconds. */
const patienceMs = 1000;

export interface Progress {
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
export function showProgress(totalBytes: number | undefined): Progress {
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
