/** Waiting for what becomes true by itself. */
import { setTimeout as sleep } from "node:timers/promises";

type Condition = () => boolean | Promise<boolean>;

/** Waits until the condition holds, looking every 5 ms, and answers whether it came to hold in time. */
export async function settles(condition: Condition, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) return false;
    await sleep(5);
  }
  return true;
}

/** Waits until twenty looks, 5 ms apart, have found the same value, or for `timeoutMs`. */
export async function atRest(look: () => string, timeoutMs: number): Promise<void> {
  let seen = look();
  let same = 0;
  await settles(() => {
    const now = look();
    same = now === seen ? same + 1 : 0;
    seen = now;
    return same === 20;
  }, timeoutMs);
}

/** Waits until the condition holds. Rejects when it never does, naming what it waited for. */
export async function waitFor(what: string, condition: Condition, timeoutMs = 10_000): Promise<void> {
  if (!(await settles(condition, timeoutMs))) throw new Error(`Waited ${timeoutMs} ms in vain for ${what}`);
}
