/** What a channel's transfers may be asked for. */
import { checkKnown, type Names } from "../../core/options.ts";
import type { Report } from "../../core/transfer/report.ts";
import { type TransferOptions, transferOptions } from "../../core/transfer/request.ts";

/** What a channel leaves to be chosen of a transfer: the ranges are its own. */
export interface ChannelTransferOptions extends Omit<TransferOptions, "offset" | "length" | "targetOffset"> {
  /**
   * Is given the report of a transfer that succeeded, before the promise settles. What it throws rejects that.
   * Not called where `transferFrom()` takes nothing because the position is past the end of the file.
   */
  readonly onReport?: ((report: Report) => void) | undefined;
}

const { offset: _offset, length: _length, targetOffset: _targetOffset, ...chosenOptions } = transferOptions;
const channelOptions: Names<ChannelTransferOptions> = { ...chosenOptions, onReport: true };

/** The options of a transfer among those of a channel, as they are now: the caller may change them while it waits for its turn. */
export function chosen(options: ChannelTransferOptions): TransferOptions {
  checkKnown(options, channelOptions);
  const { onReport: _, strategy, ...rest } = options;
  return { ...rest, strategy: typeof strategy === "object" ? [...strategy] : strategy };
}

/** The channel's own answer to a transfer: a count, as Java gives it. */
export function answered(report: Report, { onReport }: ChannelTransferOptions): number {
  onReport?.(report);
  return report.bytes;
}
