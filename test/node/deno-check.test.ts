/** Deno's own type checker on what Deno users import: tsc knows Deno by @types/deno alone. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Ended, runChild } from "../support/child.ts";
import { install, pack } from "../package/package.ts";
import { installedProgram } from "../support/programs.ts";
import { tempFolder } from "../support/temp.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const limitMs = 120_000;

interface Settings {
  readonly name: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
  readonly publish: { readonly include: readonly string[] };
}

const settings = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as Settings;

type Versions = Readonly<Record<string, string>>;

test("deno.json has the packages of package.json, at its versions", () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly dependencies: Versions;
    readonly devDependencies: Versions;
  };
  const all = { ...devDependencies, ...dependencies };
  for (const [name, place] of Object.entries(settings.imports)) assert.is(place, `npm:${name}@${all[name]}`);
});

async function check(folder: string, ...args: readonly string[]): Promise<Ended> {
  const deno = await installedProgram("@deno", "deno", "deno/deno");
  return runChild(["env", "-C", folder, "NO_COLOR=1", deno, "check", ...args], limitMs);
}

const entries = Object.values(settings.exports);

test("deno check accepts every entry, and the example", async () => {
  const checked = await check(root, ...entries);
  assert.is(checked.code, 0, checked.output);
  const example = await check(root, "--config", "examples/deno.json", "examples/deno-file-server.ts");
  assert.is(example.code, 0, example.output);
});

/** Uses each subpath; where nothing has types the last line is no error. */
const consumer = (from: (subpath: string) => string, isRight: boolean) => `
import { transfer, type Report } from "${from(".")}";
import { createReadStream } from "${from("./stream")}";
import { pipeline } from "${from("./stream/promises")}";
import { file, type FileOptions } from "${from("./fetch")}";
import * as wasi from "${from("./wasi")}";
import * as internal from "${from("./internal")}";
import "${from("./register")}";
const options: FileOptions = { root: "public" };
const answer: Promise<Response> = file(new Request("http://localhost/"), "/", options);
const report: Report = await transfer("a", "b");
console.log(answer, report, createReadStream, pipeline, wasi, internal);
export const wrong: ${isRight ? "unknown" : "number"} = file;
`;

/** A right consumer is accepted; of a wrong one there is one error, its own. */
async function assertTyped(folder: string, from: (subpath: string) => string, ...args: readonly string[]) {
  for (const isRight of [true, false]) {
    writeFileSync(join(folder, "main.ts"), consumer(from, isRight));
    const { code, output } = await check(folder, ...args, "main.ts");
    if (isRight) assert.is(code, 0, output);
    else assert.equal(output.match(/TS\d+ \[ERROR\].*?(?=:)/g), ["TS2322 [ERROR]"], output);
  }
}

const bySubpath = (name: string) => (subpath: string) => join(name, subpath);

/** What JSR has of the package: no node_modules, and none of the development's. */
function published(): string {
  const folder = tempFolder();
  for (const path of ["deno.json", ...settings.publish.include])
    cpSync(join(root, path), join(folder, path), { recursive: true });
  return folder;
}

test("deno check of a consumer passes by file path", async () => {
  const sources = published();
  const byPath = (subpath: string) => join(sources, settings.exports[subpath] ?? "");
  await assertTyped(tempFolder(), byPath, "--config", join(sources, "deno.json"));
});

test("deno check of a consumer passes with the package as JSR has it", async () => {
  const folder = tempFolder();
  cpSync(published(), join(folder, "sluice"), { recursive: true });
  const app = join(folder, "app");
  mkdirSync(app);
  writeFileSync(
    join(app, "deno.json"),
    JSON.stringify({ links: ["../sluice"], imports: { sluice: `jsr:${settings.name}@*` } }),
  );
  await assertTyped(app, bySubpath("sluice"));
});

test("deno check of a consumer passes with the package as npm installs it", async () => {
  const folder = await install((await pack()).path);
  // Deno brings Node's types along: with others beside them it would not be the package that is checked.
  rmSync(join(folder, "node_modules/@types"), { recursive: true, force: true });
  await assertTyped(folder, bySubpath("sluice"));
});

test.run();
