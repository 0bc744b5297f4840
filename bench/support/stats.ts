/** Medians and spreads: few samples, taken alternately, so that a drifting machine hits all contenders alike. */
import { extent, quantile } from "d3-array";
import type { Figure } from "../report/schema.ts";

const at = (samples: readonly number[], share: number) => quantile(samples, share) ?? Number.NaN;

/** NaN for no samples. */
export const median = (samples: readonly number[]): number => at(samples, 0.5);

export function figure(samples: readonly number[]): Figure {
  const [least = Number.NaN, most = Number.NaN] = extent(samples);
  return {
    median: median(samples),
    quartiles: [at(samples, 0.25), at(samples, 0.75)],
    range: [least, most],
    count: samples.length,
  };
}

/** The ratio of two contenders, round by round: each pair was measured side by side. */
export function pairedRatio(samples: readonly number[], base: readonly number[]): Figure {
  return figure(samples.map((sample, round) => sample / (base[round] ?? Number.NaN)));
}

/** The order of a round: each begins with another contender, and every other one goes backwards, so that none always follows the same. */
function orderOf<K>(names: readonly K[], round: number): K[] {
  const step = round % 2 === 0 ? 1 : names.length - 1;
  return names.map((name, turn) => names[(round + turn * step) % names.length] ?? name);
}

/** Runs every contender once a round and collects their samples. */
export async function alternate<K extends string, T>(
  contenders: Readonly<Record<K, () => Promise<T>>>,
  rounds: number,
  onRun: (name: K, round: number) => void = () => {},
): Promise<Record<K, T[]>> {
  const names = Object.keys(contenders) as K[];
  const samples = Object.fromEntries(names.map((name): [K, T[]] => [name, []])) as Record<K, T[]>;
  for (let round = 0; round < rounds; round++)
    for (const name of orderOf(names, round)) {
      onRun(name, round);
      samples[name].push(await contenders[name]());
    }
  return samples;
}
