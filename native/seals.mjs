// What the builds of native/ and wasm/ share: files, and whether what was made of them is still what they say.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository; compilers run here, so that only relative paths reach a binary. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** Files beneath a folder by their paths from the root, sorted; with endings, those that have one of them. */
export function filesIn(folder, ...endings) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(({ name }) => endings.length === 0 || endings.some((ending) => name.endsWith(ending)))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** A digest of texts and of files' contents. */
export function digest(texts, files = []) {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text).update("\0");
  for (const file of files)
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  return hash.digest("hex");
}

/** Whether all of `outputs` are there, and their seal bears this digest. */
export function isSealed(seal, key, outputs = []) {
  const paths = [seal, ...outputs].map((path) => join(root, path));
  return paths.every((path) => existsSync(path)) && readFileSync(join(root, seal), "utf8").split("\n")[0] === key;
}

/** Says of which inputs something was made, once it has been made; notes are for people. */
export function writeSeal(seal, key, ...notes) {
  mkdirSync(dirname(join(root, seal)), { recursive: true });
  writeFileSync(join(root, seal), [key, ...notes, ""].join("\n"));
}
