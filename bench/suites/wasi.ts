/** The components on each runtime: a file copied by them and by copyFile(), the start of an instance, and their sizes. */
import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { WasiTimes } from "../runtimes/wasi.ts";
import { sizeName } from "../support/contest.ts";
import { scratchFolder, writePayload } from "../support/files.ts";
import { findRuntime, Unavailable } from "../support/programs.ts";
import { type Row, rowsOrReason, section, type Suite } from "../support/rows.ts";
import { figure, median, pairedRatio } from "../support/stats.ts";

const run = promisify(execFile);
const mebibyte = 2 ** 20;
const program = fileURLToPath(new URL("../runtimes/wasi.js", import.meta.url));
const components = new URL("../../wasm/", import.meta.url);
const runtimeNames = ["node", "bun", "deno"] as const;

async function measure(name: (typeof runtimeNames)[number], folder: string, bytes: number, rounds: number) {
  const { command, version } = await findRuntime(name);
  const [runtime, ...options] = command;
  const { stdout } = await run(runtime, [...options, program, folder, String(rounds)], { timeout: 300_000 });
  const { copies, instances } = JSON.parse(stdout) as WasiTimes;
  const rate = (times: readonly number[]) => figure(times.map((ms) => bytes / 1e3 / ms));
  const told = (contender: keyof typeof copies) => `${median(copies[contender]).toFixed(0)} ms`;
  const rows: Row[] = [
    {
      question: `${name} ${version}: fallback`,
      unit: "MB/s",
      figure: rate(copies.fallback),
      atLeast: 300,
      detail: told("fallback"),
    },
    {
      question: `${name}: speed of plugin / copyFile()`,
      unit: "×",
      figure: pairedRatio(copies["copyFile()"], copies.plugin),
      atLeast: 0.8,
      detail: `${told("plugin")}; ${told("copyFile()")}`,
    },
    ...(["fallback", "plugin"] as const).map((component): Row => ({
      question: `${name}: another instance of ${component}`,
      unit: "ms",
      figure: figure(instances[component].later),
      detail: `the first, with loading and compiling, ${instances[component].first.toFixed(0)} ms`,
    })),
  ];
  return rows;
}

async function sizes(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of ["fallback", "command", "plugin"]) {
    const bytes = await readFile(new URL(`${name}.wasm`, components)).catch((cause: Error) => {
      throw new Unavailable("the package was built without its components", { cause });
    });
    const packed = gzipSync(bytes).byteLength;
    rows.push({
      question: `size of ${name}.wasm`,
      unit: "KB",
      figure: figure([bytes.byteLength / 1000]),
      target: 1500,
      detail: `${(packed / 1000).toFixed(0)} KB by gzip`,
    });
  }
  return rows;
}

export const wasi: Suite = async ({ rounds, full, progress }) => {
  const bytes = (full ? 1024 : 256) * mebibyte;
  const rows = await rowsOrReason("the components", sizes);
  const folder = await scratchFolder(tmpdir(), 2 * bytes + 64 * mebibyte);
  await writePayload(join(folder, "from"), bytes);
  for (const name of runtimeNames) {
    progress(`${sizeName(bytes)} by the components on ${name}`);
    rows.push(...(await rowsOrReason(`${name}: the components`, () => measure(name, folder, bytes, rounds))));
  }
  await rm(folder, { recursive: true });
  return [section(`${sizeName(bytes)}, resident, file to file, by the WebAssembly components`, rows)];
};
