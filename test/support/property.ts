/** Properties checked on generated inputs, the same ones in every run. */
import process from "node:process";
import * as fc from "fast-check";

const seed = Number(process.env["SEED"] ?? 20_260_101);

/** Checks a property `runs` times. `SEED=…` in the environment tries other inputs. */
export function check<T>(property: fc.IProperty<T>, runs = 1000): void {
  fc.assert(property, { seed, numRuns: runs });
}

/** The same for a property that takes time. */
export async function checkAsync<T>(property: fc.IAsyncProperty<T>, runs = 1000): Promise<void> {
  await fc.assert(property, { seed, numRuns: runs });
}
