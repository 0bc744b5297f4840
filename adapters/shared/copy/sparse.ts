/** Holes: where the data of a file is. */
import { extentRecord } from "../../../core/records.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { errnoName } from "../../../core/errno.ts";
import type { CopyOptions } from "../api.ts";
import { RecordMemory } from "../engine/record-memory.ts";
import type { Machine } from "../machine.ts";

/** A run of data, in bytes from the start of the file; `end` is past its last byte. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** The runs of data of a sparse file. */
export function extentsOf(machine: Machine, fd: number, size: number): readonly Extent[] {
  const { native } = machine;
  if (typeof native === "string") return [{ start: 0, end: size }];
  const record = new RecordMemory(extentRecord.size);
  const extents: Extent[] = [];
  for (let at = 0; at < size;) {
    extentRecord.set(record.view, "start", at);
    const answer = native.sluice_next_extent(fd, record.bytes);
    if (answer < 0 && errnoName(-answer) === "ENXIO") break;
    // A filesystem that can't tell holes has none to keep.
    if (answer < 0) return [{ start: 0, end: size }];
    const end = Math.min(extentRecord.get(record.view, "end"), size);
    extents.push({ start: extentRecord.get(record.view, "start"), end });
    at = end;
  }
  return extents;
}

/** Whether to look for holes at all. */
export function isSparse(source: Endpoint, sparse: CopyOptions["sparse"]): boolean {
  if (source.size === undefined || sparse === "never") return false;
  return sparse === "always" || (source.allocated ?? source.size) < source.size;
}
