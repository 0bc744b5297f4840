/** An attempt of the engine's on a target that announces its bytes: unit by unit, each behind what announces it. */
import { type Job, nothing, type Outcome, type Run } from "../../core/plan/kernel.ts";
import type { Frames } from "../ends/target.ts";
import { after, sum } from "../engine/outcome.ts";
import type { Cancellation } from "./cancellation.ts";

/** `isReadable` reads the first byte: what is announced has to come. */
export async function runFramed(
  job: Job,
  frames: Frames,
  cancellation: Cancellation,
  run: Run,
  isReadable: (offset: number) => boolean | Promise<boolean>,
): Promise<Outcome> {
  const { length = Infinity } = job;
  if (job.offset !== undefined && !(await isReadable(job.offset))) return { ...nothing, end: "eof" };
  let moved: Outcome = nothing;
  for (;;) {
    const unit = await cancellation.wait(frames.announce(length - moved.bytes));
    const cancelled = cancellation.outcome();
    if (cancelled !== undefined || unit === undefined) return sum(moved, cancelled ?? { ...nothing, end: "cancelled" });
    const part = await run({ ...after(job, moved.bytes), length: unit, inline: false });
    frames.sent(part.bytes);
    moved = sum(moved, part);
    if (part.end !== "done" || moved.bytes >= length) return moved;
  }
}
