// Files of the repository by their paths from its root, and what is in them.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository; compilers run here, so that only relative paths reach a binary. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

/** The files at some paths and beneath them whose names fit, in a constant order. */
export function filesIn(paths, pattern = /(?:)/) {
  return paths.flatMap((path) => {
    const stats = statSync(join(root, path), { throwIfNoEntry: false });
    if (stats === undefined) return [];
    if (!stats.isDirectory()) return [path];
    return readdirSync(join(root, path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && pattern.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
      .sort();
  });
}

/** A digest of texts and of files' contents. */
export function digest(texts, files = []) {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text).update("\0");
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(join(root, file))).update("\0");
  return hash.digest("hex");
}
