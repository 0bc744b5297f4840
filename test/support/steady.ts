/** For what has to go on without a break, where a break could be the machine's. */

const beatMs = 20;
const mostTries = 10;

/**
 * Runs a body that fails where something stands still for too long. A failure is believed only if this process itself
 * has run all the while: one that comes with a standstill of more than `standstillMs` says nothing, and the body runs again.
 */
export async function steadily<T>(standstillMs: number, body: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    let longest = 0;
    let last = performance.now();
    const beat = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last - beatMs);
      last = now;
    };
    const clock = setInterval(beat, beatMs);
    try {
      return await body();
    } catch (error) {
      beat();
      if (longest < standstillMs || tries === mostTries) throw error;
    } finally {
      clearInterval(clock);
    }
  }
}
