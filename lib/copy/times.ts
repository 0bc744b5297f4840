/** The times of a file, to the nanosecond. */
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { errnoName } from "../../core/abi/errno.ts";
import { timesRecord } from "../../core/abi/records.ts";
import { RecordMemory } from "../engine/record-memory.ts";
import type { Machine } from "../engine/machine.ts";
import { callFailed, fsCall } from "../support/system-error.ts";

const billion = 1_000_000_000n;

/** Gives a file the times of another. */
export async function setTimes(
  { native }: Machine,
  { atimeNs, mtimeNs }: BigIntStats,
  file: FileHandle,
): Promise<void> {
  if (typeof native === "string") {
    // A double holds the seconds of our time to a quarter of a microsecond; a Date only to a millisecond.
    await fsCall("copy", "futimens", file.utimes(Number(atimeNs) / 1e9, Number(mtimeNs) / 1e9));
    return;
  }
  const { bytes, view } = new RecordMemory(timesRecord.size);
  timesRecord.set(view, "access_s", Number(atimeNs / billion));
  timesRecord.set(view, "access_ns", Number(atimeNs % billion));
  timesRecord.set(view, "modify_s", Number(mtimeNs / billion));
  timesRecord.set(view, "modify_ns", Number(mtimeNs % billion));
  const answer = native.sluice_set_times(file.fd, bytes);
  if (answer < 0) throw callFailed("copy", "utimensat", errnoName(-answer));
}
