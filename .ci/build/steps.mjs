// The steps of the build, in their order: what each is made from, what comes of it, and how.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { filesIn, root } from "./files.mjs";

const typescript = /\.[cm]?ts$|^tsconfig.*\.json$/;
const javascript = /\.[cm]?js$/;
/** Versions of everything installed, as npm notes them. */
const installed = "node_modules/.package-lock.json";

/** Where tsc puts what it makes of a folder. */
const compiled = {
  core: "dist/modules/core",
  lib: "dist/modules/lib",
  adapters: "dist/modules/adapters",
  cli: "dist/modules/cli",
  bench: "dist/bench",
  test: "build/test",
  examples: "build/examples",
};

/** What is written by hand and built. */
export const sourceFolders = [...Object.keys(compiled), "native", "wasm"];

const infos = () =>
  (existsSync(join(root, "build")) ? readdirSync(join(root, "build")) : [])
    .filter((file) => file.endsWith(".tsbuildinfo"))
    .map((file) => join(root, "build", file));

/**
 * tsc believes its notes about what it has made, and times about what it has read. Where either is wrong the notes go, or
 * become older than all, so that it reads again.
 */
function correctNotes({ changed, disturbed }) {
  if (disturbed) return infos().forEach((info) => rmSync(info));
  const mtime = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
  const newest = Math.max(...infos().map(mtime));
  if (changed.some((path) => mtime(join(root, path)) <= newest)) infos().forEach((info) => utimesSync(info, 0, 0));
}

/** What was compiled from a source that is gone could still be imported, and run. */
function removeOrphans() {
  for (const [folder, output] of Object.entries(compiled))
    for (const file of filesIn([output], /\.[cm]?js$|\.d\.[cm]?ts$/)) {
      const source = file.replace(output, folder).replace(/(\.d)?(\.[cm]?)[jt]s$/, "$2");
      if (!["ts", "js"].some((kind) => existsSync(join(root, source + kind)))) rmSync(join(root, file));
    }
}

/** Where the bundle is made, beside what uses it. */
const draft = "build/bundle";
const bundle = "dist/lib";

/**
 * Puts the new bundle in the place of the old one, file by file: tests may be running. The chunks come before the entries that
 * name them, and what no entry names any more goes last.
 */
function publish() {
  const isChunk = (file) => file.startsWith(`${draft}/shared/`);
  const files = filesIn([draft]).sort((one, other) => Number(isChunk(other)) - Number(isChunk(one)));
  const places = files.map((file) => file.replace(draft, bundle));
  for (const [index, file] of files.entries()) {
    mkdirSync(dirname(join(root, places[index])), { recursive: true });
    renameSync(join(root, file), join(root, places[index]));
  }
  for (const file of filesIn([bundle])) if (!places.includes(file)) rmSync(join(root, file));
  rmSync(join(root, draft), { recursive: true });
}

export const steps = [
  {
    name: "types",
    inputs: ["wasm/types.mjs", "wasm/toolchain.mjs", "wasm/wit", installed],
    outputs: ["wasm/types"],
    commands: [["wasm/types.mjs"]],
  },
  {
    name: "modules",
    inputs: [...Object.keys(compiled), "wasm", "tsconfig.base.json", "tsconfig.json", "package.json", installed],
    reads: typescript,
    outputs: Object.values(compiled),
    tool: "typescript",
    prepare(state) {
      correctNotes(state);
      removeOrphans();
    },
    commands: [["node_modules/typescript/bin/tsc", "--build"], [".ci/build/declarations.mjs"]],
  },
  {
    name: "bundle",
    inputs: [".ci/build/bundle.mjs", ".ci/build/licences.mjs", "package.json", "dist/modules", installed],
    reads: javascript,
    outputs: [bundle],
    tool: "rolldown",
    commands: [[".ci/build/bundle.mjs", `${draft}/`]],
    finish: publish,
  },
  {
    name: "manual",
    inputs: ["cli/manual.mjs", "package.json", "dist/modules/cli", bundle],
    reads: javascript,
    outputs: ["dist/man"],
    commands: [["cli/manual.mjs"]],
  },
  {
    name: "engine",
    inputs: ["native/src", "native/build.mjs", "native/header.mjs", "native/toolchain.mjs", "dist/modules/core"],
    reads: /\.([ch]|js|mjs)$/,
    outputs: [`dist/native/${process.platform}-${process.arch}`, "native/include"],
    commands: [["native/build.mjs"]],
  },
  {
    name: "components",
    inputs: ["wasm", "dist/modules/core", ".ci/build/licences.mjs", "LICENSE", "package.json", installed],
    reads: /\.(js|mjs|ts|wit|md|json)$|^LICENSE$/,
    outputs: ["dist/wasm"],
    commands: [["wasm/build.mjs"]],
  },
];
