// Builds the guest: node examples/wasi-guest/build.mjs FOLDER
import { copyFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { root } from "../../native/seals.mjs";
import { loadComponentize, loadJco } from "../../wasm/toolchain.mjs";

const here = fileURLToPath(new URL("./", import.meta.url));
const [, , folder] = process.argv;
if (folder === undefined) throw new Error("Usage: node build.mjs FOLDER");

// The WIT of what hosts lend, and the world of this guest.
const wit = join(folder, "wit");
mkdirSync(wit, { recursive: true });
for (const name of ["types", "native"]) cpSync(join(root, `wasm/wit/${name}.wit`), join(wit, `${name}.wit`));
copyFileSync(join(here, "world.wit"), join(wit, "world.wit"));

const bundle = await rolldown({ input: join(here, "guest.ts"), external: /^sluice:/ });
const { output } = await bundle.generate({ format: "esm", minify: true });
await bundle.close();
const componentize = await loadComponentize();
const { component } = await componentize({
  witPath: wit,
  jsSource: output[0].code,
  world: "joiner",
  optSize: true,
  sync: true,
});
writeFileSync(join(folder, "joiner.wasm"), component);

// What JavaScript runs in place of a component; hosts that know components take the .wasm as it is.
const { transpile } = await loadJco();
const { files } = await transpile(component, { name: "joiner", instantiation: "async" });
writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
for (const [name, bytes] of Object.entries(files))
  if (basename(name) === name) writeFileSync(join(folder, name), bytes);
