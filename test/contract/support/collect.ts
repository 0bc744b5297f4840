/** Garbage collection on demand, as each runtime lets it be had. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

interface Collecting {
  readonly Bun?: { gc(force: boolean): void };
}

function collector(): () => void {
  const { Bun: bun } = globalThis as Collecting;
  if (bun !== undefined) return () => bun.gc(true);
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

/** Collects garbage until something holds. What never does is ended by the test's time-out. */
export async function collectUntil(holds: () => boolean): Promise<void> {
  const collect = collector();
  while (!holds()) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
