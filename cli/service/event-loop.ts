/** By how much the event loop is late, as a histogram. */
import { Histogram, type Registry } from "prom-client";

/** How often it is looked at. Milliseconds. */
const sampleMs = 20;

/** Seconds. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Measures until the timer is cleared, which keeps nobody alive. */
export function observeDelay(registry: Registry): NodeJS.Timeout {
  const histogram = new Histogram({
    name: "sluice_event_loop_delay_seconds",
    help: `By how much a timer fired late, looked at every ${sampleMs} ms.`,
    buckets,
    registers: [registry],
  });
  let expected = performance.now() + sampleMs;
  const timer = setInterval(() => {
    const now = performance.now();
    histogram.observe(Math.max(0, now - expected) / 1000);
    expected = now + sampleMs;
  }, sampleMs);
  return timer.unref();
}
