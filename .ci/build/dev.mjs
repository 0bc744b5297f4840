// Builds, and builds again what is saved, until Ctrl-C. Components of WASI, which take seconds, are left to `npm run build`.
import { watch } from "node:fs";
import { join } from "node:path";
import { root } from "./files.mjs";
import { sourceFolders } from "./steps.mjs";
import { BuildError, update } from "./update.mjs";

/** An editor saves in several steps. */
const restMs = 30;

let timer;
let isBuilding = false;
let isStale = false;

async function build() {
  isStale = true;
  if (isBuilding) return;
  isBuilding = true;
  while (isStale) {
    isStale = false;
    try {
      await update("engine");
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      console.error(error.message);
    }
  }
  isBuilding = false;
}

function saved() {
  clearTimeout(timer);
  timer = setTimeout(build, restMs);
}

for (const folder of sourceFolders) watch(join(root, folder), { recursive: true }, saved);
// Settings lie in the root itself.
watch(root, saved);
await build();
console.log("Watching what is saved. Ctrl-C ends.");
