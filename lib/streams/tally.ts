/** What one stream's hand-over came to, summed over its units. */
import type { TransferError } from "../../core/error.ts";
import type { Outcome, Strategy } from "../../core/plan/kernel.ts";
import type { Copied } from "../../core/transfer/report.ts";
import type { Account } from "../../core/transfer/transfer.ts";

export class Tally {
  bytes = 0;
  syscalls = 0;
  waits = 0;
  cpuNs = 0;
  strategy: Strategy | undefined;
  copied: Copied | undefined;
  /** Why the mechanism was chosen. */
  reason = "";

  add({ bytes, syscalls, waits, cpuNs, strategy, copied, attempts }: Account): void {
    this.bytes += bytes;
    this.syscalls += syscalls;
    this.waits += waits;
    this.cpuNs += cpuNs;
    this.strategy ??= strategy;
    this.copied ??= copied;
    if (this.reason === "") this.reason = attempts.find((attempt) => attempt.strategy === strategy)?.reason ?? "";
  }

  /** A single attempt on the calling thread. */
  addAttempt({ bytes, syscalls, cpuNs }: Outcome, strategy: Strategy, reason: string): void {
    this.bytes += bytes;
    this.syscalls += syscalls;
    this.cpuNs += cpuNs;
    this.strategy = strategy;
    this.copied = strategy === "buffered" ? "yes" : "unknown";
    this.reason = reason;
  }

  addFailed({ bytesTransferred, strategy }: TransferError): void {
    this.bytes += bytesTransferred;
    if (bytesTransferred > 0) this.strategy ??= strategy;
  }
}
