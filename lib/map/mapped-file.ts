/** What `map()` gives. */
import type { ByteCount } from "../../core/options.ts";
import type { Lease } from "../lease/lease.ts";

/** How a mapping will be read: "normal" reads ahead a little, "sequential" more, "random" not at all (madvise(2)). */
export type MapAdvice = "normal" | "sequential" | "random";

export interface Residency {
  /** Bytes in memory, counted in pages. */
  readonly resident: number;
  readonly total: number;
}

/**
 * A file as memory. Offsets are in bytes from the mapping's start, wherever that lies in the file.
 *
 * Every method but `close` throws TransferError `ERR_SLUICE_CLOSED` once the mapping is closed. Views of it are then
 * empty; on Node 20, which can't take memory away from a view, they show zeros.
 */
export interface MappedFile extends Disposable {
  /**
   * The whole of it. A view is never read-only in JavaScript: writes to one of mode "read" stay in this process.
   *
   * @throws RangeError for more than 4 GiB: use {@link window}
   */
  readonly bytes: Uint8Array;
  readonly length: number;
  /** A view of a part, of up to 4 GiB; without a length, to the end. */
  window(offset: ByteCount, length?: ByteCount): Uint8Array;
  /**
   * A copy of a part, checked: never a zero in the place of what is lost.
   *
   * @throws TransferError `ERR_SLUICE_TRUNCATED`
   */
  read(offset: ByteCount, length?: ByteCount): Uint8Array;
  /** The first byte that is lost since the file was truncated, or can't be read: zeros are in its place. Asked anew each time. */
  readonly truncated: number | undefined;
  /**
   * Makes sure that what was read so far was the file's.
   *
   * @throws TransferError `ERR_SLUICE_TRUNCATED` with `sourceOffset`, where {@link truncated} is a number
   */
  check(): void;
  /** Starts to read a part into memory, and doesn't wait for it (MADV_WILLNEED). */
  prefetch(offset?: ByteCount, length?: ByteCount): void;
  advise(advice: MapAdvice, offset?: ByteCount, length?: ByteCount): void;
  /** How much of a part is in memory (mincore(2)). The kernel tells owners and writers alone; to others all of it seems there. */
  residency(offset?: ByteCount, length?: ByteCount): Residency;
  /**
   * Waits until what was written to a shared mapping is on the disk (msync(2)), holding this thread. Other readers of the
   * file have seen it before.
   *
   * @throws TransferError `ERR_SLUICE_TRUNCATED` where some of it is lost, `EIO`; `ERR_SLUICE_UNSUPPORTED` for other modes
   */
  flush(offset?: ByteCount, length?: ByteCount): void;
  /** What policy "lease" holds until the mapping is closed. Its `broken` tells that somebody waits for the file. */
  readonly lease: Lease | undefined;
  /** Lets go of the file. The second time does nothing. */
  close(): void;
}
