/** Bounds how many things run at once. */

export type Limiter = <T>(work: () => Promise<T>) => Promise<T>;

/** At most `width` at a time, in the order of asking. */
export function limiter(width: number): Limiter {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running === width) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      // The turn passes to the one that waits longest, and is not free in between.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
