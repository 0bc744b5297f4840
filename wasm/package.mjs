// What makes dist/wasm a package of its own, `@sluice/wasi-components`: whoever runs no guests is spared its 5 MB.
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { licencesIn } from "../.ci/build/licences.mjs";
import { root } from "../.ci/build/files.mjs";
import { packageFolder } from "./toolchain.mjs";

/** Whose code is in a component, or in the module that runs it. */
const carried = ["@bytecodealliance/jco-transpile", "componentize-qjs"];

export const packageInputs = [
  "package.json",
  "LICENSE",
  ".ci/build/licences.mjs",
  "wasm/README.md",
  "wasm/package.mjs",
];

/** Completes the folder with what npm wants of a package. One version for both: they speak one interface. */
export function writePackage(folder) {
  const sluice = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const [name] = Object.keys(sluice.peerDependencies);
  const { version, license, type, engines, homepage, bugs } = sluice;
  const manifest = {
    name,
    version,
    description: "The WebAssembly components of Sluice, for sluice/wasi and hosts of WASI 0.2",
    homepage,
    bugs,
    license,
    repository: { ...sluice.repository, directory: "wasm" },
    type,
    engines,
    exports: { "./*": "./*" },
    files: ["*.wasm", "*.js", "*.d.ts", "types", "wit", "LICENSES.txt"],
  };
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  copyFileSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  copyFileSync(join(root, "wasm/README.md"), join(folder, "README.md"));
  writeFileSync(join(folder, "LICENSES.txt"), licencesIn(carried.map(packageFolder)));
}
