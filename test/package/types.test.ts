/** The types of the packed package: that each condition promises what its module has, and that they carry the documentation. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runChild } from "../support/child.ts";
import { hovers } from "../support/language-server.ts";
import { root } from "../support/root.ts";
import { candidates, home, locate } from "../support/runtimes.ts";
import { borrowTypes, install, pack, succeed } from "./package.ts";

const test = suite("types");

type Exports = Readonly<Record<string, string | Readonly<Record<string, { readonly default: string }>>>>;

const folder = await install((await pack()).path);
const installed = join(folder, "node_modules/sluice");
const { exports } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as { readonly exports: Exports };

/** The subpaths that have modules of their own for each runtime. */
const subpaths = Object.keys(exports).filter((name) => typeof exports[name] === "object");
const specifierOf = (subpath: string): string => `sluice${subpath.slice(1)}`;

const compiler = join(root, "node_modules/typescript/bin/tsc");

/** Settings of a program that some bundler or runtime will resolve. The first library is the web's. */
const settings = {
  strict: true,
  target: "ES2022",
  module: "ESNext",
  moduleResolution: "Bundler",
  skipLibCheck: false,
  noEmit: true,
  lib: ["DOM", "ES2022", "ESNext.Disposable"],
};

/** Compiles one file of the user's: what the compiler says, "" for nothing. */
async function compile(name: string, source: string, options: object): Promise<string> {
  writeFileSync(join(folder, `${name}.ts`), source);
  const config = join(folder, `${name}.json`);
  writeFileSync(config, JSON.stringify({ compilerOptions: { ...settings, ...options }, files: [`${name}.ts`] }));
  const { code, output } = await runChild([...home.command, compiler, "--project", config], 120_000);
  assert.is(code === 0, output === "", output);
  return output;
}

type Names = Readonly<Record<string, readonly string[]>>;

/** The names that modules have on a runtime. */
async function namesOn(command: readonly [string, ...string[]], specifiers: readonly string[]): Promise<Names> {
  const script = join(folder, "names.js");
  writeFileSync(
    script,
    `const names = {};
for (const name of ${JSON.stringify(specifiers)}) names[name] = Object.keys(await import(name)).sort();
console.log(JSON.stringify(names));
process.exit();
`,
  );
  const { stdout } = await succeed(...command, script);
  return JSON.parse(stdout) as Names;
}

/** A program that compiles where the types of a module have these names, and no others. */
const exactly = (specifier: string, names: readonly string[]): string =>
  `void ({ ${names.map((name) => `${name}: 1`).join(", ")} } satisfies Record<keyof typeof import("${specifier}"), 1>);\n`;

/** What is there on hosts of no runtime of ours: its entry needs nothing of theirs. */
const portable = pathToFileURL(join(installed, "dist/lib/portable.js")).href;

for (const conditions of [["workerd"], []]) {
  const what = conditions[0] ?? "no condition";
  const options = { customConditions: conditions, types: [] };

  test(`the types for ${what} are those of the module, and need no others`, async () => {
    const { [portable]: names = [] } = await namesOn(home.command, [portable]);
    assert.ok(names.includes("transfer"));
    assert.is(await compile("portable", exactly("sluice", names), options), "");
  });

  test(`a program for ${what} moves a stream, and can't open a file`, async () => {
    const uses = `import { transfer } from "sluice";\nawait transfer(new Blob(["a"]).stream(), new WritableStream());\nexport {};\n`;
    assert.is(await compile("streams", uses, options), "");
    const opens = `import { openFile } from "sluice";\nvoid openFile("a");\n`;
    assert.match(await compile("files", opens, options), /has no exported member 'openFile'/);
    const sends = `import { transfer } from "sluice";\nawait transfer("a", 1);\nexport {};\n`;
    assert.match(await compile("paths", sends, options), /TS2345/);
  });

  test(`what isn't there for ${what} has no types`, async () => {
    const absent = subpaths.filter((name) => name !== ".").map(specifierOf);
    const source = absent.map((specifier) => `void (await import("${specifier}"));\n`).join("");
    const said = await compile("absent", `${source}export {};\n`, options);
    for (const specifier of absent) assert.match(said, `Cannot find module '${specifier}'`);
  });
}

const specifiers = subpaths.map(specifierOf);
/** The names of the runtime that was asked first. */
let usual: Names | undefined;

for (const candidate of candidates.usual)
  test(`the types for ${candidate.name} are those of its modules, which are named as on all others`, async () => {
    borrowTypes(folder, "node");
    const { command, name } = await locate(candidate);
    const names = await namesOn(command, specifiers);
    assert.equal(names, (usual ??= names));
    const source = specifiers.map((specifier) => exactly(specifier, names[specifier] ?? [])).join("");
    assert.is(await compile("names", source, { customConditions: [name], types: ["node"] }), "");
  });

/** The words of a documentation comment's prose, up to its first tag. */
function prose(path: string, name: string): readonly string[] {
  const text = readFileSync(join(root, path), "utf8");
  const [, comment = ""] =
    new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\nexport (?:async )?function ${name}\\b`).exec(text) ?? [];
  const lines = comment.split("\n").map((line) => line.replace(/^\s*\* ?/, ""));
  return lines
    .slice(
      0,
      lines.findIndex((line) => line.startsWith("@")),
    )
    .join(" ")
    .split(/\s+/)
    .filter(Boolean);
}

test("an editor shows the documentation and the parameters of what is imported", async () => {
  borrowTypes(folder, "node");
  // The command line's own subpath makes no promise.
  const named = await namesOn(
    home.command,
    specifiers.filter((specifier) => specifier !== "sluice/internal"),
  );
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: { ...settings, customConditions: ["node"], types: ["node"] },
      files: ["hover.ts"],
    }),
  );
  const lines = Object.entries(named).flatMap(([specifier, names], i) => {
    const list = names.map((name) => `${name} as ${name}${i}`).join(", ");
    return [
      `import { ${list} } from "${specifier}";`,
      `import * as all${i} from "${specifier}";`,
      ...names.flatMap((name) => [`void all${i}.${name};`, `void ${name}${i};`]),
    ];
  });
  const text = `${lines.join("\n")}\n`;
  const file = join(folder, "hover.ts");
  writeFileSync(file, text);
  const uses = [...text.matchAll(/^void (?:all\d+\.)?(\w+);$/gm)];
  assert.ok(uses.length > 40);
  const places = uses.map(({ index, 0: line }) => index + Math.max(line.indexOf(".") + 1, "void ".length));
  const shown = await hovers(file, places);
  for (const [i, value] of shown.entries()) {
    const [, signature = "", documentation = ""] = /^```typescript\n([^]*?)\n```\n?([^]*)$/.exec(value) ?? [];
    const use = uses[i]?.[0] ?? "";
    assert.ok(documentation.trim().length > 10, `${use} shows ${value}`);
    // Names of parameters, not those that a compiler makes up.
    assert.not.match(signature, /\b(args|arg0|__\d)\b/, use);
    if (!/\btransfer0?;/.test(use)) continue;
    assert.match(signature, /function transfer\w*\(source: \S+, target: \S+, options\?: \S+\): Promise<\S+>/);
    const words = documentation.split(/\s+/);
    for (const word of prose("lib/public/sluice.ts", "transfer")) assert.ok(words.includes(word), `${use}: ${word}`);
    for (const tag of ["@returns", "@throws", "@example"]) assert.match(documentation, tag, use);
  }
});

test("a bundler leaves in what an entry does when it is loaded", async () => {
  const source = join(folder, "bundled.js");
  const output = join(folder, "bundled/out.mjs");
  writeFileSync(
    source,
    'import { capabilities } from "sluice";\nconsole.log(capabilities().strategies.portable.ability);\n',
  );
  const { rolldown } = await import("rolldown");
  const bundle = await rolldown({ input: source, cwd: folder, platform: "node", external: [/^node:/, "koffi"] });
  // What is loaded when it is asked for is a chunk of its own.
  await bundle.write({ dir: dirname(output), entryFileNames: "out.mjs", format: "esm" });
  await bundle.close();
  const { stdout } = await succeed(...home.command, output);
  assert.is(stdout.trim(), "yes");
});

test.run();
