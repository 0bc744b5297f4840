/** Import directions: from adapters to lib to core, and never back nor in a circle; no adapter knows another runtime's. */
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Ended, runChild } from "../support/child.ts";
import { root } from "../support/root.ts";
import { home } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("architecture");

/** Compiles a copy of core that has one more file, with core's own settings and every installed type at hand. */
async function compileCoreWith(source: string): Promise<Ended> {
  const copy = tempFolder();
  cpSync(join(root, "core"), join(copy, "core"), { recursive: true });
  for (const name of ["tsconfig.base.json", "package.json"]) cpSync(join(root, name), join(copy, name));
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  writeFileSync(join(copy, "core/intruder.ts"), source);
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  return runChild([...home.command, compiler, "--project", join(copy, "core"), "--noEmit"], 60_000);
}

test("core compiles as it is", async () => {
  const { code, output } = await compileCoreWith("export const two: number = 1 + 1;\n");
  assert.is(code, 0, output);
});

const intruders = [
  ["a global of Node", "export const pid = process.pid;"],
  ["a Buffer", "export const empty = Buffer.alloc(0);"],
  ["a timer", "setTimeout(() => undefined, 1);"],
  ["the console", 'console.log("core");'],
  ["the Deno namespace", "export const pid = Deno.pid;"],
  ["the Bun namespace", "export const version = Bun.version;"],
  ["a global of the web", "export const controller = new AbortController();"],
  ["node:fs", 'import { openSync } from "node:fs";\nexport const open = openSync;'],
  ["node:fs, for its types", 'import type { Stats } from "node:fs";\nexport type Size = Stats["size"];'],
  ["bun:ffi", 'import { dlopen } from "bun:ffi";\nexport const open = dlopen;'],
] as const;

for (const [what, source] of intruders)
  test(`core does not compile with ${what}`, async () => {
    const { code, stdout } = await compileCoreWith(`${source}\n`);
    assert.is.not(code, 0);
    assert.match(stdout, /core\/intruder\.ts.*error TS/);
    for (const line of stdout.split("\n").filter((text) => text.includes("error TS")))
      assert.match(line, "intruder.ts");
  });

const importPattern =
  /(?:^|\n)\s*(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)"|\bimport\(\s*"([^"]+)"|(?:^|\n)\s*import\s+"([^"]+)"/g;

/** Every import of a folder's sources that stays in the repository: the file and what it imports, by their paths. */
function importsIn(folder: string): { from: string; to: string }[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) => {
      const file = join(root, folder, path);
      return [...readFileSync(file, "utf8").matchAll(importPattern)]
        .map(([, ...groups]) => groups.find((group) => group !== undefined) ?? "")
        .map((specifier) => ({
          from: join(folder, path),
          to: specifier.startsWith(".") ? relative(root, resolve(dirname(file), specifier)) : specifier,
        }));
    });
}

const runtimes = ["node", "bun", "deno"];

/** The runtime that a path of adapters/ belongs to: adapters/bun.ts and everything in adapters/bun/. */
const runtimeOf = (path: string) =>
  runtimes.find((name) => path === `adapters/${name}.ts` || path.startsWith(`adapters/${name}/`));

test("the search for imports finds every form of them", () => {
  const text =
    'import a from "a";\nimport {\n  b,\n} from "b";\nexport * from "c";\nimport "d";\nconst e = await import("e");\nimport type { F } from "f";';
  const found = [...text.matchAll(importPattern)].map(([, ...groups]) => groups.find((group) => group !== undefined));
  assert.equal(found, ["a", "b", "c", "d", "e", "f"]);
  assert.ok(importsIn("core").length > 10);
});

/** What each room imports besides its own files: by name a package, or the platform. */
const allowed = {
  core: [],
  lib: ["core", "wasm/types"],
  adapters: ["core", "lib"],
  wasm: ["core"],
} as const;

const isIn = (path: string, room: string) => path.startsWith(`${room}/`);

for (const [room, others] of Object.entries(allowed))
  test(`${room} imports ${["itself", ...others].join(", ")} and no other room`, () => {
    for (const { from, to } of importsIn(room)) {
      const path = to.replace(/^#/, "");
      if (!/^(core|lib|adapters|cli|wasm|test|bench|examples)\//.test(path)) continue;
      assert.ok(
        [room, ...others].some((other) => isIn(path, other)),
        `${from} imports ${to}`,
      );
    }
  });

test("core imports nothing by name", () => {
  for (const { from, to } of importsIn("core")) assert.ok(isIn(to, "core"), `${from} imports ${to}`);
});

test("no adapter imports the adapter of another runtime", () => {
  for (const { from, to } of importsIn("adapters")) {
    const [own, other] = [runtimeOf(from), runtimeOf(to)];
    assert.ok(own === undefined || other === undefined || own === other, `${from} imports ${to}`);
  }
});

/** The circles of a graph: its strongly connected components of more than one file (Tarjan, 1972). */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = [];
  const found = new Map<string, { readonly order: number; lowest: number; open: boolean }>();
  const path: string[] = [];
  const visit = (file: string) => {
    const own = { order: found.size, lowest: found.size, open: true };
    found.set(file, own);
    path.push(file);
    for (const next of graph.get(file) ?? []) {
      const other = found.get(next) ?? visit(next);
      if (other.open) own.lowest = Math.min(own.lowest, other.lowest);
    }
    if (own.lowest < own.order) return own;
    const members = path.splice(path.indexOf(file));
    for (const member of members) {
      const state = found.get(member);
      if (state !== undefined) state.open = false;
    }
    if (members.length > 1) circles.push(members.sort());
    return own;
  };
  for (const file of graph.keys()) if (!found.has(file)) visit(file);
  return circles;
}

/** Circles that are left, by the folder that they lie in. */
const knownCircles: readonly string[] = [];

test("the search for circles finds those of any length, and no others", () => {
  const graph = { a: ["b"], b: ["c", "f"], c: ["a", "d"], d: ["e"], e: ["d"], f: ["e"], g: ["a", "g"] };
  assert.equal(
    circlesOf(new Map(Object.entries(graph))).sort((one, other) => other.length - one.length),
    [
      ["a", "b", "c"],
      ["d", "e"],
    ],
  );
});

test("no files of core, lib, cli, adapters and wasm import each other in a circle, not even types", () => {
  const graph = new Map<string, string[]>();
  for (const room of ["core", "lib", "cli", "adapters", "wasm"])
    for (const { from, to } of importsIn(room)) {
      const target = to.startsWith("#") ? to.slice(1).replace(/\.js$/, ".ts") : to;
      graph.set(from, [...(graph.get(from) ?? []), target]);
    }
  const circles = circlesOf(graph).filter((files) => !files.every((file) => knownCircles.includes(dirname(file))));
  assert.equal(circles, []);
});

/** What the bundle of the command line carries, so that it comes with no installation. */
const carriedByCli = ["cli-progress", "commander", "ipaddr.js", "prom-client"];

test("cli imports the platform, the package and what its bundle carries by their names, and its own files", () => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly name: string;
    readonly devDependencies: Readonly<Record<string, string>>;
  };
  const licences = readFileSync(join(root, "dist/lib/cli/LICENSES.txt"), "utf8");
  for (const name of carriedByCli) {
    assert.ok(Object.hasOwn(manifest.devDependencies, name), name);
    assert.ok(licences.includes(`\n${name} `) || licences.startsWith(`${name} `), name);
  }
  const known = new Set([manifest.name, ...carriedByCli]);
  const imports = importsIn("cli");
  assert.ok(imports.some(({ to }) => to === "sluice/internal"));
  for (const { from, to } of imports) {
    const [name = ""] = to.split("/");
    assert.ok(to.startsWith("node:") || known.has(name) || isIn(to, "cli"), `${from} imports ${to}`);
  }
});

test.run();
