/** What Sluice costs beside the bytes: its import, and the main thread's part of one transfer(). */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { CostMethod } from "../subjects/sending.ts";
import { scratchFile } from "../support/files.ts";
import { helper, start, Unavailable } from "../support/programs.ts";
import { type Row, rowsOrReason, section, type Suite } from "../support/rows.ts";
import { alternate, figure, median } from "../support/stats.ts";
import { runTask } from "../support/task.ts";

const run = promisify(execFile);
const importer = fileURLToPath(new URL("../subjects/importer.js", import.meta.url));

/** Milliseconds that a fresh process takes to import a module. */
async function importMs(name: string): Promise<number> {
  const { stdout } = await run(process.execPath, [importer, name]);
  return Number(stdout);
}

async function imports(rounds: number, progress: (text: string) => void): Promise<Row[]> {
  progress("imports in fresh processes");
  const names = ["sluice", "node:http", "fastify"] as const;
  const contenders = Object.fromEntries(names.map((name) => [name, () => importMs(name)]));
  const samples = await alternate(contenders, rounds);
  const others = names.slice(1).map((name) => `${name} ${median(samples[name] ?? []).toFixed(1)} ms`);
  return [
    {
      question: 'import "sluice"',
      unit: "ms",
      figure: figure(samples["sluice"] ?? []),
      target: 30,
      detail: others.join(", "),
    },
  ];
}

const bodies = [
  { bytes: 4096, count: 20_000, path: "on the calling thread", rival: "readSync" },
  { bytes: 65_536, count: 5000, path: "on the calling thread", rival: "readSync" },
  { bytes: 1_048_576, count: 2000, path: "by the engine", rival: "streams" },
] as const satisfies readonly { bytes: number; count: number; path: string; rival: CostMethod }[];

async function mainUs(method: CostMethod, bytes: number, count: number): Promise<number> {
  const file = await scratchFile(bytes);
  const reader = await helper("reader");
  const total = bytes * (count + Math.ceil(count / 4));
  let reading: Promise<string> | undefined;
  const { mainUs: us } = await runTask(
    "cost",
    { file, method, bytes, bodies: count },
    { onPort: (port) => (reading = start(reader, [port, 1, total].map(String)).output) },
  );
  await reading?.catch(() => {});
  if (us === undefined) throw new Unavailable("the kernel doesn't tell what a thread has run");
  return us;
}

async function calls(rounds: number, progress: (text: string) => void): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { bytes, count, path, rival } of bodies) {
    progress(`main thread's cost of ${bytes} bytes`);
    const samples = await alternate(
      { transfer: () => mainUs("transfer", bytes, count), rival: () => mainUs(rival, bytes, count) },
      rounds,
    );
    rows.push({
      question: `main thread, one transfer() of ${bytes / 1024} KiB, ${path}`,
      unit: "µs",
      figure: figure(samples.transfer),
      target: 25,
      detail: `${rival} and socket.write: ${median(samples.rival).toFixed(1)} µs`,
    });
  }
  return rows;
}

export const cost: Suite = async ({ rounds, progress }) => [
  section("What it costs beside the bytes", [
    ...(await imports(rounds, progress)),
    ...(await rowsOrReason("main thread", () => calls(rounds, progress))),
  ]),
];
