/** Package managers that run no scripts: what they install has the native engine, and the components where those are wanted. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { root } from "../support/root.ts";
import { home } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { fetchTools, runIn } from "./bundlers.ts";
import { pack, packFolder, succeed } from "./package.ts";

const test = suite("managers");

const tools = await fetchTools("managers");
const tarballs = {
  sluice: (await pack()).path,
  "@sluice/wasi-components": (await packFolder(join(root, "dist/wasm"))).path,
};
const registry = (await succeed("npm", "config", "get", "registry")).stdout.trim();

const [node] = home.command;
const inTools = (path: string) => join("folder" in tools ? tools.folder : "", "node_modules", path);

const app = `
import { readFileSync } from "node:fs";
import { transfer, capabilities } from "sluice";
import { file } from "sluice/fetch";
import { instantiateFallback } from "sluice/wasi";

const { strategy } = await transfer("from", "into");
const guest = await instantiateFallback({ roots: { "/data": { path: process.cwd(), write: true } } });
const { bytes } = guest.copyFile("/data/from", "/data/guest");
console.log(JSON.stringify({
  engine: capabilities().engine,
  strategy,
  files: ["into", "guest"].map((name) => readFileSync(name, "utf8")),
  bytes: Number(bytes),
  file: typeof file,
}));
`;

interface Manager {
  readonly name: string;
  /** Fetched, not the one that is here. */
  readonly fetched?: true;
  readonly install: readonly string[];
  readonly files?: (folder: string) => Readonly<Record<string, string>>;
  /** More of the project's package.json. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** What it says of scripts that it hasn't run. */
  readonly says?: RegExp;
  readonly start: readonly string[];
}

const npm = ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund"];
const yarn = [node, inTools("@yarnpkg/cli-dist/bin/yarn.js")];

const managers: readonly Manager[] = [
  { name: "npm --ignore-scripts", install: [...npm, "--ignore-scripts"], start: [node] },
  {
    name: "npm --strict-allow-scripts, with the line of the documents",
    // A tarball's `prepare` counts, too; that of a package from a registry doesn't.
    manifest: { allowScripts: { koffi: false, [`file:${tarballs.sluice}`]: false } },
    install: [...npm, "--strict-allow-scripts"],
    start: [node],
  },
  {
    name: "pnpm, which blocks scripts",
    fetched: true,
    install: [node, inTools("pnpm/bin/pnpm.cjs"), "install", "--no-frozen-lockfile", "--store-dir", "store"],
    files: () => ({ ".npmrc": `registry=${registry}\n` }),
    says: /Ignored build scripts: koffi/,
    start: [node],
  },
  {
    name: "yarn 4, Plug'n'Play, without scripts",
    fetched: true,
    install: [...yarn, "install", "--no-immutable"],
    files: (folder) => ({
      "yarn.lock": "",
      ".yarnrc.yml": [
        "nodeLinker: pnp",
        "enableScripts: false",
        "enableTelemetry: false",
        "enableGlobalCache: false",
        `globalFolder: ${JSON.stringify(join(folder, "yarn"))}`,
        `npmRegistryServer: ${JSON.stringify(registry)}`,
        "",
      ].join("\n"),
    }),
    start: [...yarn, "node"],
  },
];

for (const { name, fetched, install, files, manifest, says, start } of managers) {
  const title = `${name}: the engine is there`;
  if (fetched && "reason" in tools) {
    console.log(`skip ${title}: ${tools.reason}`);
    test.skip(title);
    continue;
  }
  test(title, async () => {
    const folder = tempFolder();
    const dependencies = Object.fromEntries(Object.entries(tarballs).map(([key, path]) => [key, `file:${path}`]));
    const project = { name: "app", private: true, type: "module", dependencies, ...manifest };
    const all = { ...files?.(folder), "package.json": JSON.stringify(project), "app.js": app, from: "hello" };
    for (const [path, text] of Object.entries(all)) writeFileSync(join(folder, path), text);

    const installed = await runIn(folder, install);
    assert.is(installed.code, 0, installed.output);
    if (says !== undefined) assert.match(installed.output, says);

    const { code, stdout, output } = await runIn(folder, [...start, "app.js"]);
    assert.is(code, 0, output);
    const { engine, strategy, ...told } = JSON.parse(stdout);
    assert.ok(engine.available, engine.reason);
    assert.is.not(strategy, "portable");
    assert.equal(told, { files: ["hello", "hello"], bytes: 5, file: "function" });
  });
}

test.run();
