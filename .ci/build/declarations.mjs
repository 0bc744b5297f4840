// Makes the declarations of dist/ fit where they lie. tsc rewrites the .ts endings of imports in JavaScript alone, and
// Deno takes a declaration's imports at their word; WASI's types are in dist/wasm, outside of dist/modules.
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const dist = fileURLToPath(new URL("../../dist/", import.meta.url));
for (const name of readdirSync(dist, { recursive: true })) {
  if (!name.endsWith(".d.ts")) continue;
  const text = readFileSync(dist + name, "utf8");
  const rewritten = text
    .replace(/(\bfrom "|\bimport\(")(\.[^"]*)(?<!\.d)\.ts"/g, '$1$2.js"')
    .replace(/"(\.\.\/\.\.\/)wasm\/types\//g, '"../$1wasm/types/');
  if (rewritten === text) continue;
  const { atime, mtime } = statSync(dist + name);
  writeFileSync(dist + name, rewritten);
  // tsc takes a newer declaration for a changed one, and would check all that imports it each time.
  utimesSync(dist + name, atime, mtime);
}
