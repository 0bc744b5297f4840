// Runs the guest: node examples/wasi-guest/run.mjs BUILT ROOT TARGET PART...   (paths of files beneath ROOT)
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { instantiatePlugin } from "sluice/wasi";

// Node 20 has constant expressions behind a flag, which later ones no longer know.
if (process.versions.node.startsWith("20.")) setFlagsFromString("--experimental-wasm-extended-const");
const [, , built = "", root = "", target = "", ...parts] = process.argv;
const module = await import(pathToFileURL(join(resolve(built), "joiner.js")).href);
const coreModule = (name) => WebAssembly.compile(readFileSync(join(built, name)));
const instance = await instantiatePlugin({
  roots: { "/data": { path: root, write: true } },
  limits: { openHandles: 2 },
  guest: { module, coreModule },
});
const guestPath = (path) => `/data/${path}`;
console.log(`${instance.exports.join(parts.map(guestPath), guestPath(target))} bytes`);
instance.close();
