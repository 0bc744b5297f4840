/**
 * An app that is bundled, its output moved to an empty folder, and run there: it has the native engine, by the one
 * setting of docs/deployment.md, or it says plainly what is missing.
 */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { candidates, home, locate } from "../support/runtimes.ts";
import { fetchNode } from "../support/programs.ts";
import { tempFolder } from "../support/temp.ts";
import { fetchTools, runIn } from "./bundlers.ts";
import { buildForArm64, install, pack } from "./package.ts";

const test = suite("bundlers");

await buildForArm64();
const tools = await fetchTools("bundlers");
const project = await install((await pack()).path);

const [node] = home.command;
const bunCandidate = candidates.usual.find(({ name }) => name === "bun");
if (bunCandidate === undefined) throw new Error("Bun is not among the runtimes");
const [bun] = (await locate(bunCandidate)).command;
const newNode = await fetchNode(24);

const usage = `
const from = process.argv[2], into = from + ".copy";
const tell = async ({ transfer, capabilities }) => {
  const { strategy, bytes } = await transfer(from, into);
  console.log(JSON.stringify({ engine: capabilities().engine, strategy, bytes }));
};
`;
writeFileSync(
  join(project, "app.mjs"),
  `import { transfer, capabilities } from "sluice";\n${usage}tell({ transfer, capabilities });\n`,
);

interface Told {
  readonly engine: { readonly available: boolean; readonly reason: string };
  readonly strategy: string;
  readonly bytes: number;
}

const inTools = (path: string) => join("folder" in tools ? tools.folder : "", "node_modules", path);

/** Runs what has been deployed, and answers what it tells. */
async function run(folder: string, command: readonly string[]): Promise<Told> {
  const source = join(tempFolder(), "source");
  writeFileSync(source, "x".repeat(1000));
  const { code, stdout, output } = await runIn(folder, [...command, source]);
  assert.is(code, 0, output);
  const told = JSON.parse(stdout) as Told;
  assert.is(told.bytes, 1000);
  return told;
}

/** The output in an empty folder, with packages beside it as `npm install` puts them there. */
function deploy(output: string, packages: readonly string[]): string {
  const folder = tempFolder();
  cpSync(output, folder, { recursive: true });
  for (const name of packages)
    cpSync(join(project, "node_modules", name), join(folder, "node_modules", name), { recursive: true });
  return folder;
}

const koffi = ["koffi", "@koromix"];
const both = ["sluice", ...koffi];

interface Way {
  readonly tool: string;
  /** The setting, as the documents have it. */
  readonly setting: string;
  /** Makes the output in a folder, run in the project. */
  readonly build: (output: string) => readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  /** What is installed where it runs. */
  readonly beside: readonly string[];
  readonly start: readonly string[];
}

const webpackConfig = (external: string) => `
module.exports = {
  mode: "production", target: "node20", entry: "./app.mjs", ${external}
  experiments: { outputModule: true },
  output: { filename: "app.mjs", module: true, chunkFormat: "module", library: { type: "module" } },
};`;

const ways: readonly Way[] = [
  {
    tool: "esbuild, ESM",
    setting: "--external:sluice",
    build: (output) => [
      inTools(".bin/esbuild"),
      "app.mjs",
      "--bundle",
      "--platform=node",
      "--format=esm",
      "--external:sluice",
      `--outfile=${output}/app.mjs`,
    ],
    beside: both,
    start: [node, "app.mjs"],
  },
  {
    tool: "esbuild, CommonJS",
    setting: "--external:sluice",
    build: (output) => [
      inTools(".bin/esbuild"),
      "app.mjs",
      "--bundle",
      "--platform=node",
      "--format=cjs",
      "--external:sluice",
      `--outfile=${output}/app.cjs`,
    ],
    beside: both,
    start: [newNode, "--no-warnings", "app.cjs"],
  },
  {
    tool: "webpack, which carries the library",
    setting: 'externals: { koffi: "commonjs koffi" }',
    files: { "webpack.config.cjs": webpackConfig('externals: { koffi: "commonjs koffi" },') },
    build: (output) => [node, inTools("webpack/bin/webpack.js"), "--output-path", output],
    beside: koffi,
    start: [node, "app.mjs"],
  },
  {
    tool: "rollup",
    setting: "external: ['sluice']",
    build: (output) => [inTools(".bin/rollup"), "app.mjs", "--external", "sluice", "--format", "es", "--dir", output],
    beside: both,
    start: [node, "app.js"],
  },
  {
    tool: "Vite, for the server",
    setting: "none: packages stay outside",
    build: (output) => [inTools(".bin/vite"), "build", "--ssr", "app.mjs", "--outDir", output],
    beside: both,
    start: [node, "app.js"],
  },
  {
    tool: "ncc",
    setting: "--external sluice",
    build: (output) => [inTools(".bin/ncc"), "build", "app.mjs", "--out", output, "--external", "sluice"],
    beside: both,
    start: [node, "index.mjs"],
  },
  {
    tool: "bun build",
    setting: "--external sluice",
    build: (output) => [bun, "build", "app.mjs", "--target", "bun", "--outdir", output, "--external", "sluice"],
    beside: ["sluice"],
    start: [bun, "app.js"],
  },
  {
    tool: "bun build --compile",
    setting:
      'import library from "sluice/native/linux-x64" with { type: "file" }; process.env.SLUICE_LIBRARY = library;',
    files: {
      "compiled.ts": `import library from "sluice/native/${process.platform}-${process.arch}" with { type: "file" };\nprocess.env.SLUICE_LIBRARY = library;\nimport { transfer, capabilities } from "sluice";\n${usage}tell({ transfer, capabilities });\n`,
    },
    build: (output) => [bun, "build", "compiled.ts", "--compile", "--outfile", `${output}/app`],
    beside: [],
    start: ["./app"],
  },
  {
    tool: "@vercel/nft",
    setting: "the folder of @koromix beside what is traced",
    files: {
      "trace.mjs": `
import { cpSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
const [output, tools] = process.argv.slice(2);
const { nodeFileTrace } = createRequire(pathToFileURL(tools + "/x.js"))("@vercel/nft");
const { fileList } = await nodeFileTrace(["app.mjs"]);
for (const file of fileList) { mkdirSync(dirname(output + "/" + file), { recursive: true }); cpSync(file, output + "/" + file); }
`,
    },
    build: (output) => [node, "trace.mjs", output, inTools("..")],
    beside: ["@koromix"],
    start: [node, "app.mjs"],
  },
  {
    tool: "node:sea",
    setting: 'createRequire(process.execPath)("sluice")',
    files: {
      "sea.cjs": `const { createRequire } = require("node:module");\n${usage}tell(createRequire(process.execPath)("sluice"));\n`,
      "make.mjs": `
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, writeFileSync } from "node:fs";
const [output, node, postject] = process.argv.slice(2);
writeFileSync("sea.json", JSON.stringify({ main: "sea.cjs", output: "sea.blob", disableExperimentalSEAWarning: true }));
execFileSync(node, ["--experimental-sea-config", "sea.json"]);
copyFileSync(node, output + "/app");
chmodSync(output + "/app", 0o755);
const fuse = ["NODE", "SEA", "FUSE", "fce680ab2cc467b6e072b8b5df1996b2"].join("_");
execFileSync(process.execPath, [postject, output + "/app", "NODE_SEA_BLOB", "sea.blob", "--sentinel-fuse", fuse]);
`,
    },
    build: (output) => [node, "make.mjs", output, newNode, inTools("postject/dist/cli.js")],
    beside: both,
    start: ["./app"],
  },
];

for (const { tool, setting, files = {}, build, beside, start } of ways) {
  const name = `${tool}: the engine is there (${setting})`;
  if ("reason" in tools) {
    console.log(`skip ${name}: ${tools.reason}`);
    test.skip(name);
    continue;
  }
  test(name, async () => {
    for (const [path, text] of Object.entries(files)) writeFileSync(join(project, path), text);
    const output = join(tempFolder(), "output");
    mkdirSync(output);
    const built = await runIn(project, build(output));
    assert.is(built.code, 0, built.output);
    const { engine, strategy } = await run(deploy(output, beside), start);
    assert.ok(engine.available, engine.reason);
    assert.is.not(strategy, "portable");
  });
}

/** What a bundle without the setting says, and where it doesn't look. */
const careless: readonly (readonly [string, readonly string[], readonly string[], RegExp])[] = [
  [
    "esbuild, ESM",
    ["--format=esm", "--outfile=app.mjs"],
    [node, "app.mjs"],
    /bundled without its files.*SLUICE_LIBRARY/,
  ],
  [
    "esbuild, CommonJS",
    ["--format=cjs", "--outfile=app.cjs"],
    [node, "app.cjs"],
    /bundled into CommonJS.*SLUICE_LIBRARY/,
  ],
];

for (const [tool, options, start, reason] of careless) {
  const name = `${tool}, with sluice in the bundle: says so, and loads nothing from around it`;
  if ("reason" in tools) {
    test.skip(name);
    continue;
  }
  test(name, async () => {
    const top = tempFolder();
    const output = join(top, "a/b");
    mkdirSync(output, { recursive: true });
    const settings = ["app.mjs", "--bundle", "--platform=node", "--log-level=error"];
    const placed = options.map((option) => option.replace("--outfile=", `--outfile=${output}/`));
    const built = await runIn(project, [inTools(".bin/esbuild"), ...settings, ...placed]);
    assert.is(built.code, 0, built.output);
    const library = join(project, `node_modules/sluice/dist/native/${process.platform}-${process.arch}/libsluice.so`);
    // Where an earlier release would have looked.
    for (const around of ["native", "dist/native", "a/native", "a/dist/native", "a/b/native"]) {
      const folder = join(top, around, `${process.platform}-${process.arch}`);
      mkdirSync(folder, { recursive: true });
      cpSync(library, join(folder, "libsluice.so"));
    }
    const { engine, strategy } = await run(output, start);
    assert.is(engine.available, false);
    assert.match(engine.reason, reason);
    assert.is(strategy, "portable");
  });
}

test.run();
