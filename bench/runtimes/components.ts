/** Runs the components of `sluice/wasi` beside copyFile() of the same host; prints what it measured as JSON. For every runtime. */
import { rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { copyFile } from "sluice";
import { instantiateFallback, instantiatePlugin } from "sluice/wasi";

const [file = "", rounds = "3"] = process.argv.slice(2);
const folder = dirname(file);
const options = { roots: { "/files": { path: folder, write: true } } };
const megabytes = statSync(file).size / 1e6;

async function timed<T>(work: () => T | Promise<T>): Promise<[T, number]> {
  const started = performance.now();
  return [await work(), performance.now() - started];
}

const [fallback, fallbackMs] = await timed(() => instantiateFallback(options));
const [plugin, pluginMs] = await timed(() => instantiatePlugin(options));
const source = `/files/${basename(file)}`;
const ways = {
  fallback: () => fallback.copyFile(source, "/files/copy"),
  plugin: () => plugin.copyFile(source, "/files/copy"),
  copyFile: () => copyFile(file, join(folder, "copy")),
};
type Way = keyof typeof ways;
const rates: Record<Way, number[]> = { fallback: [], plugin: [], copyFile: [] };
const names = Object.keys(ways) as Way[];
// The first round compiles, and touches memory that nobody has touched before.
for (let round = -1; round < Number(rounds); round++)
  for (let turn = 0; turn < names.length; turn++) {
    const way = names[(turn + round + names.length) % names.length] ?? "copyFile";
    rmSync(join(folder, "copy"), { force: true });
    const [, ms] = await timed<unknown>(ways[way]);
    if (round >= 0) rates[way].push(megabytes / (ms / 1000));
  }
rmSync(join(folder, "copy"), { force: true });
console.log(JSON.stringify({ instantiateMs: { fallback: fallbackMs, plugin: pluginMs }, rates }));
