/** What has gone wrong with the source of a tee, or with all of it. */
import { errnoName, errnoText } from "../../core/abi/errno.ts";
import { TransferError } from "../../core/error.ts";
import type { Outcome } from "../../core/plan/kernel.ts";
import type { SourceEnd } from "../ends/source.ts";
import { codeOf, wasCancelled } from "../support/system-error.ts";
import type { Cancellation } from "../transfer/cancellation.ts";

/** Why the distribution failed, if it did. */
export function failureOf(outcome: Outcome, cancellation: Cancellation, name: string): TransferError | undefined {
  const { bytes, stranded, errno, failed, cause } = outcome;
  const cancelled = cancellation.outcome();
  if (cancelled !== undefined)
    return wasCancelled("tee", `after ${bytes} bytes`, cancelled, { bytesTransferred: bytes, bytesStranded: stranded });
  if (outcome.end !== "error") return undefined;
  const code = errno > 0 ? errnoName(errno) : (codeOf(cause) ?? "ERR_SLUICE_FAILED");
  return new TransferError(`Cannot tee ${name}: ${errnoText(code)} (${code}) after ${bytes} bytes`, {
    code,
    errno: errno > 0 ? errno : undefined,
    bytesTransferred: bytes,
    bytesStranded: stranded,
    failed,
    cause,
  });
}

/** Why what was given may not have been the source's, if it may. */
export function unproven(source: SourceEnd, { bytes }: Outcome): TransferError | undefined {
  try {
    source.verify?.(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof TransferError) return error;
    throw error;
  }
}
