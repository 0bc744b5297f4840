/** Latency by size and method: where reading and writing gives way to handing over pages. */
import { Unavailable } from "../support/helpers.ts";
import { ping } from "../support/ping.ts";
import { type Section, section } from "../support/rows.ts";
import { median } from "../support/stats.ts";
import type { Suite } from "./suite.ts";

const sizes = Array.from({ length: 13 }, (_, power) => 1024 * 2 ** power);
const methods = ["auto", "buffered", "sendfile", "read", "readSync"] as const;
const requests = 200;

const sizeName = (bytes: number) => (bytes < 2 ** 20 ? `${bytes / 1024} KiB` : `${bytes / 2 ** 20} MiB`);

async function measure(rounds: number): Promise<Section> {
  const latencies = await ping({ methods, sizes, rounds, requests });
  const data = [...latencies].map(([bytes, columns]) => ({
    bytes,
    microseconds: Object.fromEntries(methods.map((name, index) => [name, median(columns[index]?.medians ?? [])])),
  }));
  const cells = data.map(({ bytes, microseconds }) => {
    const best = Math.min(...Object.values(microseconds));
    const times = Object.values(microseconds).map((time) => `${time.toFixed(1)}${time === best ? " *" : "  "}`);
    return [sizeName(bytes), ...times];
  });
  const head = ["body", ...methods.map((name) => (name.startsWith("read") ? `fs.${name} + write` : name))];
  return {
    title: `Request to last byte on one warm connection, µs (median of ${rounds} rounds of ${requests}; * least)`,
    head,
    cells,
    data,
  };
}

export const curve: Suite = async ({ rounds, progress }) => {
  progress("latency by size");
  const result = await measure(rounds).catch((error: unknown) => {
    if (!(error instanceof Unavailable)) throw error;
    return section("Latency by size", [{ question: "latency", unit: "ms", skipped: error.message }]);
  });
  return [result];
};
