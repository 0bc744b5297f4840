/** Medians and spreads: few samples, taken alternately, so that a drifting machine hits all contenders alike. */

/** Middle value, or a quantile of it; NaN for no samples. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = Float64Array.from(samples);
  sorted.sort();
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** A figure with what it was made of. The quartiles show its spread without the odd outlier of a shared machine. */
export interface Figure {
  readonly median: number;
  readonly quartiles: readonly [number, number];
  readonly range: readonly [number, number];
  readonly count: number;
}

export function figure(samples: readonly number[]): Figure {
  return {
    median: median(samples),
    quartiles: [quantile(samples, 0.25), quantile(samples, 0.75)],
    range: [Math.min(...samples), Math.max(...samples)],
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
