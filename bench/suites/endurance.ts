/** Ten thousand transfers leave descriptors and memory where they were. */
import { helper, start } from "../support/helpers.ts";
import { type Row, rowsOrReason, section } from "../support/rows.ts";
import { scratchFile } from "../support/scratch.ts";
import { figure } from "../support/stats.ts";
import { runTask } from "../support/task.ts";
import type { Suite } from "./suite.ts";

const bodies = [4096, 300 * 1024] as const;
const warmup = 10_000;
const transfers = 10_000;

async function measure(): Promise<Row[]> {
  const file = await scratchFile(Math.max(...bodies));
  const reader = await helper("reader");
  const bytesOf = (count: number) => bodies.reduce((sum, body) => sum + body * (count / bodies.length), 0);
  const { before, after } = await runTask(
    "endurance",
    { file, bodies, warmup, transfers },
    {
      // V8 lets its young generation grow for minutes; held small, what is left to grow is ours.
      nodeOptions: ["--expose-gc", "--max-semi-space-size=1"],
      onPort: (port) => start(reader, [port, 1, bytesOf(warmup), bytesOf(transfers)].map(String)).output,
    },
  );
  const mebibytes = (bytes: number) => bytes / 2 ** 20;
  return [
    {
      question: "descriptors more than before",
      unit: "fds",
      figure: figure([after.fds - before.fds]),
      target: 0,
      detail: `${before.fds} before, ${after.fds} after`,
    },
    {
      question: "resident memory more than before",
      unit: "MiB",
      figure: figure([mebibytes(after.rssBytes - before.rssBytes)]),
      target: 4,
      detail: `${mebibytes(before.rssBytes).toFixed(1)} MiB before, ${mebibytes(after.rssBytes).toFixed(1)} after`,
    },
  ];
}

export const endurance: Suite = async ({ progress }) => {
  progress(`${transfers} transfers`);
  const title = `${transfers} transfers of 4 and 300 KiB, after ${warmup} to warm up`;
  return [section(title, await rowsOrReason("descriptors and memory", measure))];
};
