/** What is behind a mapped file. */
import type { advices } from "../../core/abi/abi.ts";
import type { MapRange } from "../../core/mapping.ts";

export type Advice = keyof typeof advices;

/** Memory that shows a range of a file. Ranges are relative to the view. */
export interface Memory {
  /** Bytes of the view. */
  readonly length: number;
  /** A view of a range of at most 2^32 bytes. */
  view(range: MapRange): Uint8Array;
  /** The first byte of the view that is lost by now. */
  lost(): number | undefined;
  advise(range: MapRange, advice: Advice): void;
  /** Bytes of a range that are in memory, in whole pages. */
  resident(range: MapRange): number;
  /** Waits until a range is on the disk. */
  flush(range: MapRange): void;
  /** Lets go of the file. Views show nothing, or zeros, from now on. */
  release(): void;
}
