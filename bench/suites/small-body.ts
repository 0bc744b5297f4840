/** Bodies of 4 KiB on one warm connection: does transfer() cost more than a read and a write would? */
import { ping } from "../support/ping.ts";
import { type Row, rowsOrReason, section } from "../support/rows.ts";
import { median, pairedRatio } from "../support/stats.ts";
import type { Suite } from "./suite.ts";

const size = 4096;
const requests = 2000;
const methods = ["auto", "read", "readSync"] as const;
const names = { read: "fs.read + socket.write", readSync: "fs.readSync + socket.write" } as const;

async function measure(rounds: number, progress: (text: string) => void): Promise<Row[]> {
  progress(`${size} bytes on a warm connection, ${rounds} rounds of ${requests}`);
  const [auto, ...others] = (await ping({ methods, sizes: [size], rounds, requests })).get(size) ?? [];
  if (auto === undefined) throw new Error("There are no latencies of transfer()");
  return (["read", "readSync"] as const).map((name, index) => {
    const base = others[index] ?? { medians: [], p99s: [] };
    const told = ({ medians, p99s }: typeof base) =>
      `${median(medians).toFixed(1)} µs (p99 ${median(p99s).toFixed(0)} µs)`;
    return {
      question: `latency of transfer() / ${names[name]}`,
      unit: "×",
      figure: pairedRatio(auto.medians, base.medians),
      ...(name === "read" && { target: 1.2 }),
      detail: `transfer() ${told(auto)}; ${name} ${told(base)}`,
    };
  });
}

export const smallBody: Suite = async ({ rounds, progress }) => [
  section(
    `${size} bytes to one warm connection, ${requests} requests a round`,
    await rowsOrReason("latency", () => measure(rounds, progress)),
  ),
];
