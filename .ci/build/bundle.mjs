// Puts the modules of each entry of package.json together: a module of its own costs Node almost a millisecond of
// every start, and `import "sluice"` has seventy (docs/performance.md). Chunks that entries share keep one state for all.
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { minifySync } from "rolldown/utils";
import { licencesOf } from "./licences.mjs";

const root = new URL("../../", import.meta.url);
const { name: ownName, bin, exports } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
const folder = "dist/lib/";

/** What a target of `exports` leads to, by whatever condition. */
const leaves = (target) => (typeof target === "string" ? [target] : Object.values(target).flatMap(leaves));

const targets = [...Object.values(bin), ...leaves(exports)];
const prefix = `./${folder}`;
const entries = [...new Set(targets)]
  .filter((target) => target.startsWith(prefix))
  .map((target) => target.slice(prefix.length));

/** Where it is written: node .ci/build/bundle.mjs [FOLDER/]. */
const place = new URL(process.argv[2] ?? folder, root);
rmSync(place, { recursive: true, force: true });

/**
 * Modules that are loaded together anyway. A group takes along what its modules import, so that these are the ones that
 * import nothing else.
 */
const groups = [
  // What is loaded on all three runtimes; what only some subpaths need is left to them.
  {
    name: "sluice",
    test: /\/modules\/(core|lib)\/(?!confine|copy\/partial-file|explain|fetch|streams|wasi|public\/(?!sluice))/,
    minShareCount: 3,
  },
  { name: "node", test: /\/adapters\/node\/(runtime|ffi|sockets)\.js$/ },
  { name: "streams", test: /\/modules\/lib\/streams\// },
];

/** The comments of the C header, which only the build reads. */
const undocumented = {
  name: "undocumented",
  transform: (code, id) => (id.includes("/core/abi/functions/") ? code.replace(/^\s*doc: ".*",\n/gm, "") : undefined),
};

/** The one module that stays as it is, beside the chunks: bundlers of the package's users look for its require(). */
const required = {
  name: "required",
  resolveId: (id) => (id.endsWith("/require.cjs") ? { id: "./require.cjs", external: true } : undefined),
};

/** A source of ASCII is half as large in V8's memory, and read sooner: three milliseconds of an import. A minifier would undo it. */
const ascii = {
  name: "ascii",
  renderChunk: (code) => ({
    code: code.replace(/[^\0-\x7f]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`),
    map: null,
  }),
};

/** Started by their paths, from beside the command line. */
const programs = { "cli/child.js": "cli/ipc/child.js" };

const isCommandLine = (name) => name.startsWith("cli/");

/** The module that an entry is made from. */
const moduleOf = (name) => `dist/modules/${programs[name] ?? (isCommandLine(name) ? name : `adapters/${name}`)}`;

const byName = (id) => !/^[./]/.test(id) && !id.startsWith("dist/");

/** What the command line leaves outside: the platform and the package itself. All else it carries. */
const isShared = (id) => id.startsWith("node:") || id === ownName || id.startsWith(`${ownName}/`);

/** Half of the command line is of others, and it is started, not debugged: it is to be small. Names stay in stack traces. */
const small = {
  name: "small",
  renderChunk(code, { fileName }) {
    const options = { module: true, compress: false, mangle: { keepNames: true }, codegen: { removeWhitespace: true } };
    const { code: minified, errors } = minifySync(fileName, code, options);
    if (errors.length > 0) throw new Error(`${fileName}: ${errors[0].message}`);
    return { code: minified, map: null };
  },
};

async function write(names, output, input = {}) {
  const bundle = await rolldown({
    cwd: fileURLToPath(root),
    input: Object.fromEntries(names.map((name) => [name.replace(/\.js$/, ""), moduleOf(name)])),
    // What comes by name stays a dependency.
    external: byName,
    platform: "neutral",
    // An entry names its runtime when it is loaded.
    treeshake: { moduleSideEffects: (id) => /\/modules\/adapters\//.test(id) },
    plugins: [undocumented, required],
    ...input,
  });
  const { output: chunks } = await bundle.write({
    dir: fileURLToPath(place),
    format: "esm",
    comments: false,
    minify: false,
    plugins: [ascii],
    ...output,
  });
  await bundle.close();
  return chunks;
}

const portable = (name) => name === "portable.js";
// As deep as dist/modules/lib, from where the way to what is built (lib/built.ts) is the same.
const chunkFileNames = "shared/[name]-[hash].js";
await write(
  entries.filter((name) => !portable(name) && !isCommandLine(name)),
  { chunkFileNames, codeSplitting: { groups } },
);
copyFileSync(new URL("dist/modules/adapters/node/require.cjs", root), new URL("shared/require.cjs", place));
// By itself: what it shares with the others would bring it their node: modules.
await write(entries.filter(portable), {});

// The command line carries what it alone needs, so that whoever wants the library installs none of that.
const commandLine = await write(
  [...entries.filter(isCommandLine), ...Object.keys(programs)],
  { chunkFileNames: "cli/[name]-[hash].js", plugins: [small, ascii] },
  { external: isShared, platform: "node" },
);
const carried = commandLine.flatMap(({ modules }) => Object.keys(modules));
writeFileSync(new URL("cli/LICENSES.txt", place), licencesOf(carried));
