/** Waits that a signal ends. */
import { getEventListeners } from "node:events";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { delay } from "#lib/support/delay.js";

const never = 2 ** 30;

test("a wait is over after its time, and leaves no listener behind", async () => {
  const { signal } = new AbortController();
  const start = performance.now();
  await delay(20, { signal });
  assert.ok(performance.now() - start >= 19);
  assert.is(getEventListeners(signal, "abort").length, 0);
});

test("a wait is over when its signal is aborted, or was before it began", async () => {
  const abort = new AbortController();
  const waiting = delay(never, { signal: abort.signal });
  abort.abort();
  await waiting;
  assert.is(getEventListeners(abort.signal, "abort").length, 0);
  await delay(never, { signal: abort.signal });
});

test.run();
