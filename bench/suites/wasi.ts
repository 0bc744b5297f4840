/** The WebAssembly components on each runtime: buffered copies on WASI alone, and the host's engine lent to a guest. */
import { execFile } from "node:child_process";
import { copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findRuntime } from "../support/programs.ts";
import { type Row, rowsOrReason, section } from "../support/rows.ts";
import { scratchFile, scratchFolder } from "../support/scratch.ts";
import { figure, median, pairedRatio } from "../support/stats.ts";
import { tmpdir } from "node:os";
import type { Suite } from "./suite.ts";

const run = promisify(execFile);
const mebibyte = 2 ** 20;
const script = fileURLToPath(new URL("../runtimes/components.js", import.meta.url));
const component = (name: string) => fileURLToPath(new URL(`../../wasm/${name}.wasm`, import.meta.url));
const runtimeNames = ["node", "bun", "deno"] as const;

interface Measured {
  readonly instantiateMs: Readonly<Record<"fallback" | "plugin", number>>;
  /** MB/s of each round. */
  readonly rates: Readonly<Record<"fallback" | "plugin" | "copyFile", readonly number[]>>;
}

async function measure(name: (typeof runtimeNames)[number], bytes: number, rounds: number): Promise<Row[]> {
  const { command } = await findRuntime(name);
  const folder = await scratchFolder(tmpdir(), 3 * bytes);
  const file = join(folder, "file");
  await copyFile(await scratchFile(bytes), file);
  const [program, ...args] = command;
  const { stdout } = await run(program, [...args, script, file, String(rounds)], { timeout: 600_000 });
  const { instantiateMs, rates } = JSON.parse(stdout) as Measured;
  const told = (way: keyof Measured["rates"]) => `${median(rates[way]).toFixed(0)} MB/s`;
  return [
    {
      question: `${name}: fallback, in-thread filesystem`,
      unit: "MB/s",
      figure: figure(rates.fallback),
      atLeast: 300,
      detail: `instantiated in ${instantiateMs.fallback.toFixed(0)} ms`,
    },
    {
      question: `${name}: plugin / copyFile() of the same host`,
      unit: "×",
      figure: pairedRatio(rates.plugin, rates.copyFile),
      atLeast: 0.8,
      detail: `${told("plugin")}, ${told("copyFile")}; instantiated in ${instantiateMs.plugin.toFixed(0)} ms`,
    },
  ];
}

async function sizes(): Promise<Row[]> {
  const names = ["fallback", "command", "plugin"];
  return Promise.all(
    names.map(async (name) => ({
      question: `size of ${name}.wasm`,
      unit: "MB",
      figure: figure([(await stat(component(name))).size / 1e6]),
      target: 1.5,
    })),
  );
}

export const wasi: Suite = async ({ rounds, full, progress }) => {
  const bytes = (full ? 1024 : 256) * mebibyte;
  const rows: Row[] = [];
  for (const name of runtimeNames) {
    progress(`components on ${name}`);
    rows.push(...(await rowsOrReason(name, () => measure(name, bytes, rounds))));
  }
  return [section(`Copies of ${bytes / mebibyte} MiB by WebAssembly components`, [...rows, ...(await sizes())])];
};
