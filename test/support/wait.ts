/** Waiting for what becomes true by itself. */
import { setTimeout as sleep } from "node:timers/promises";

type Condition = () => boolean | Promise<boolean>;

/** When to give up. It is for what never comes, not for what comes slowly: no test that passes waits so long. */
export const patienceMs = 30_000;

const lookEveryMs = 5;
/** Looks are counted, not time: a process that stood still has not waited. */
const mostLooks = patienceMs / lookEveryMs;

/** Waits until the condition holds, looking every 5 ms, and answers whether it ever came to hold. */
export async function settles(condition: Condition): Promise<boolean> {
  for (let looks = 0; looks < mostLooks; looks++) {
    if (await condition()) return true;
    await sleep(lookEveryMs);
  }
  return await condition();
}

/** Waits until twenty looks, 5 ms apart, have found the same value, or until nothing is left to be hoped for. */
export async function atRest(look: () => string): Promise<void> {
  let seen = look();
  let same = 0;
  await settles(() => {
    const now = look();
    same = now === seen ? same + 1 : 0;
    seen = now;
    return same === 20;
  });
}

/** Waits until the condition holds. Rejects when it never does, naming what it waited for. */
export async function waitFor(what: string, condition: Condition): Promise<void> {
  if (!(await settles(condition))) throw new Error(`Waited ${patienceMs} ms in vain for ${what}`);
}
