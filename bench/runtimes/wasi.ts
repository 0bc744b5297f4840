/**
 * One runtime runs the components: what a copy takes by each beside copyFile(), and what an instance takes.
 *
 *   RUNTIME wasi.js FOLDER ROUNDS      FOLDER holds the file "from"; prints one line of JSON
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { copyFile } from "sluice";
import { instantiateFallback, instantiatePlugin } from "sluice/wasi";
import { alternate } from "../support/stats.ts";

export interface WasiTimes {
  /** Milliseconds of a copy, by contender, a round each. */
  readonly copies: Readonly<Record<"fallback" | "plugin" | "copyFile()", readonly number[]>>;
  /** Milliseconds of the first instance, with loading and compiling, and of later ones. */
  readonly instances: Readonly<Record<"fallback" | "plugin", { readonly first: number; readonly later: number[] }>>;
}

const [, , folder = "", rounds = "7"] = process.argv;
const [from, to] = [join(folder, "from"), join(folder, "to")];
const options = { roots: { "/data": { path: folder, write: true } } };
const laterInstances = 5;

async function timed(work: () => unknown): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e6;
}

async function instances(make: () => Promise<Disposable>): Promise<{ first: number; later: number[] }> {
  const one = () => timed(async () => (await make())[Symbol.dispose]());
  const first = await one();
  const later: number[] = [];
  while (later.length < laterInstances) later.push(await one());
  return { first, later };
}

const instanceTimes = {
  fallback: await instances(() => instantiateFallback(options)),
  plugin: await instances(() => instantiatePlugin(options)),
};

const fallback = await instantiateFallback(options);
const plugin = await instantiatePlugin(options);
/** Each copy goes to a new file, which is gone before the next begins. */
const contender = (copy: () => unknown, check?: () => void) => async () => {
  const time = await timed(copy);
  check?.();
  rmSync(to);
  return time;
};
const compare = () => {
  if (!readFileSync(from).equals(readFileSync(to))) throw new Error("The copy is not the source");
};
const contenders = (check?: () => void) => ({
  fallback: contender(() => fallback.copyFile("/data/from", "/data/to"), check),
  plugin: contender(() => plugin.copyFile("/data/from", "/data/to"), check),
  "copyFile()": contender(() => copyFile(from, to), check),
});
// The first of each pays for compilers and for memory's first touch, and is compared with the source.
await alternate(contenders(compare), 1);
const copies = await alternate(contenders(), Number(rounds));
fallback.close();
plugin.close();
const times: WasiTimes = { copies, instances: instanceTimes };
console.log(JSON.stringify(times));
