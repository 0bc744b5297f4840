/** Many transfers at once: does the event loop stay free? */
import { helper, start } from "../support/helpers.ts";
import { type Row, rowsOrReason, section } from "../support/rows.ts";
import { scratchFile } from "../support/scratch.ts";
import { alternate, figure } from "../support/stats.ts";
import { runTask } from "../support/task.ts";
import type { Mechanism, SendOutput } from "../tasks/send.ts";
import type { Suite } from "./suite.ts";

const connections = 32;
const bytes = 64 * 2 ** 20;
const warmupBytes = 2 ** 20;

async function sendFromNode(file: string, mechanism: Mechanism): Promise<SendOutput> {
  const reader = await helper("reader");
  const input = { file, mechanism, connections, warmupBytes, bytes, watchDelay: true };
  return runTask("send", input, {
    onPort: (port) => start(reader, [port, connections, warmupBytes, bytes].map(String)).output,
  });
}

async function measure(rounds: number, progress: (text: string) => void): Promise<Row[]> {
  const file = await scratchFile(bytes);
  const samples = await alternate(
    { "transfer()": () => sendFromNode(file, "auto"), streams: () => sendFromNode(file, "streams") },
    rounds,
    (name, round) => progress(`${connections} at once: ${name}, round ${round + 1}`),
  );
  return (["transfer()", "streams"] as const).map((name) => {
    const outputs = samples[name];
    const worst = figure(outputs.map(({ delay }) => delay?.worstMs ?? Number.NaN));
    const rate = figure(outputs.map(({ cost }) => (connections * bytes) / cost.wallNs));
    return {
      question: `event-loop delay p99, ${name}`,
      unit: "ms",
      figure: figure(outputs.map(({ delay }) => delay?.p99Ms ?? Number.NaN)),
      ...(name === "transfer()" && { target: 5 }),
      detail: `worst ${worst.median.toFixed(1)} ms; ${rate.median.toFixed(2)} GB/s in all`,
    };
  });
}

export const concurrent: Suite = async ({ rounds, progress }) => [
  section(
    `${connections} transfers of 64 MiB at once`,
    await rowsOrReason("event-loop delay", () => measure(rounds, progress)),
  ),
];
