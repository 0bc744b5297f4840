// Builds dist/wasm, a package: the components, the modules by which JavaScript runs them, and the WIT. Run after tsc.
import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digest, filesIn, root } from "../.ci/build/files.mjs";
import { isSealed, writeSeal } from "../.ci/build/seal.mjs";
import { packageInputs, writePackage } from "./package.mjs";
import { assembleWit, inPlace, loadComponentize, loadJco, missingTool, toolVersions } from "./toolchain.mjs";

const worlds = ["fallback", "command", "plugin"];
/** Most bytes of a component: 1.5 MB. */
const mostBytes = 1.5e6;
const output = join(root, "dist/wasm");
const cache = join(root, "node_modules/.cache/sluice/wasm");

/** Where the core modules lie in a component: it is a tree of sections (Binary.md of the component model). */
function* coreModules(bytes, start = 0, end = bytes.length) {
  const sections = { coreModule: 1, component: 4 };
  for (let at = start + 8; at < end;) {
    const id = bytes[at++];
    let size = 0;
    for (let shift = 1, more = true; more; shift *= 128) {
      const byte = bytes[at++];
      size += (byte % 128) * shift;
      more = byte >= 128;
    }
    if (id === sections.coreModule) yield [at, size];
    if (id === sections.component) yield* coreModules(bytes, at, at + size);
    at += size;
  }
}

/** Most bytes of a module that jco makes itself, for the ways through the boundary, and that is kept in base64. */
const mostInline = 16384;

/** Finds each core module of jco's in the component itself, so that a megabyte isn't shipped twice. */
function locate(component, files) {
  const places = [...coreModules(component)];
  const found = {};
  for (const [name, bytes] of Object.entries(files)) {
    if (!name.endsWith(".wasm")) continue;
    const place = places.find(([at, size]) => component.subarray(at, at + size).equals(bytes));
    if (place === undefined && bytes.length > mostInline) throw new Error(`${name} is not a part of its component`);
    found[name] = place ?? Buffer.from(bytes).toString("base64");
  }
  return found;
}

/**
 * A component is a snapshot of QuickJS's memory, with whatever it has freed: copies of this source above all. Blocks of
 * many sizes, zeroed and dropped again, take those out of the file (measured: 75 KB of 1.51 MB).
 */
const sweep = `
for (const [size, count] of [[19, 1], [18, 2], [17, 2], [16, 4], [15, 20], [14, 8], [13, 16], [12, 32], [11, 32], [10, 64]])
  for (let blocks = []; blocks.length < count; ) blocks.push(new Uint8Array(2 ** size));
`;

async function bundle(world) {
  const { rolldown } = await import("rolldown");
  const built = await rolldown({
    input: join(root, `wasm/guest/${world}.ts`),
    external: /^(wasi|sluice):/,
    // The table of native functions is not for guests.
    treeshake: { manualPureFunctions: ["define", "codec"] },
  });
  const { output: chunks } = await built.generate({ format: "esm", minify: true });
  await built.close();
  if (chunks.length !== 1) throw new Error(`${world} was bundled into ${chunks.length} parts`);
  return chunks[0].code + sweep;
}

/**
 * jco copies a list of bytes into a buffer of its own before the host sees it, which took half the time of a copy. What
 * `descriptor.write` is given here has been written when the call returns, so a view of the guest's memory will do.
 */
const copiedList =
  /new Uint8Array\((\w+)\.buffer\.slice\((\w+),\2\+(\w+)\*1\)\)(?=;_debugLog\(`\[iface="wasi:filesystem\/types@[\d.]+", function="\[method\]descriptor\.write"\])/g;

function lendLists(world, glue) {
  let found = 0;
  const lent = glue.replace(copiedList, (_, memory, at, length) => {
    found++;
    return `new Uint8Array(${memory}.buffer,${at},${length})`;
  });
  if (found !== 1 && world !== "plugin") throw new Error(`${world}.js copies what is written in another way`);
  return lent;
}

async function make(world, jsSource, witPath, folder) {
  const componentize = await loadComponentize();
  const { component } = await componentize({ witPath, jsSource, world, optSize: true, sync: true });
  if (component.length > mostBytes)
    throw new Error(`${world}.wasm has ${component.length} bytes, more than ${mostBytes}`);
  writeFileSync(join(folder, `${world}.wasm`), component);
  await loadJco();
  const { transpileBytes } = await import("@bytecodealliance/jco-transpile");
  const options = { name: world, instantiation: "async", minify: true };
  const { files } = await transpileBytes(new Uint8Array(component), options);
  const places = locate(component, files);
  const glue = lendLists(world, Buffer.from(files[`${world}.js`]).toString());
  const where = `new URL("./${world}.wasm", import.meta.url)`;
  const more = `export const component = ${where};\nexport const coreModules = ${JSON.stringify(places)};\n`;
  writeFileSync(join(folder, `${world}.js`), `${glue}\n${more}`);
}

const missing = missingTool();
if (missing !== undefined) {
  console.log(`wasm: ${missing}; sluice/wasi will be without components`);
  // A package is not to be published without them.
  process.exit(process.argv.includes("--required") ? 1 : 0);
}

const bundles = await Promise.all(worlds.map(bundle));
const witFiles = filesIn(["wasm/wit"]);
const keys = bundles.map((code) =>
  digest([code, toolVersions()], ["wasm/build.mjs", "wasm/toolchain.mjs", ...witFiles]),
);
let wit;
for (const [index, world] of worlds.entries()) {
  const folder = join(cache, `${world}-${keys[index].slice(0, 32)}`);
  if (existsSync(folder)) continue;
  wit ??= await assembleWit();
  mkdirSync(cache, { recursive: true });
  await inPlace(folder, (draft) => make(world, bundles[index], wit, draft));
}

const whole = digest(keys, packageInputs);
if (!isSealed("dist/wasm/keys", whole)) {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  for (const [index, world] of worlds.entries())
    for (const name of [`${world}.wasm`, `${world}.js`])
      copyFileSync(join(cache, `${world}-${keys[index].slice(0, 32)}`, name), join(output, name));
  cpSync(join(root, "wasm/wit"), join(output, "wit"), { recursive: true });
  cpSync(join(root, "wasm/types/host"), join(output, "types/host"), { recursive: true });
  for (const world of worlds)
    writeFileSync(join(output, `${world}.d.ts`), `export * from "./types/host/${world}.js";\n`);
  writePackage(output);
  writeSeal("dist/wasm/keys", whole, ...keys);
}
