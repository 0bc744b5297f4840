// Generates wasm/types from wasm/wit, for guests and for hosts. Run before tsc, which checks both against them.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { digest, filesIn, root } from "../.ci/build/files.mjs";
import { isSealed, writeSeal } from "../.ci/build/seal.mjs";
import { assembleWit, inPlace, loadJco, missingTool, toolVersions } from "./toolchain.mjs";

const folder = join(root, "wasm/types");
const seal = "wasm/types/digest";
const worlds = ["fallback", "command", "plugin"];

/**
 * jco's types are for its own hosts, where a u64 is a bigint; QuickJS gives guests numbers. What is absent is null in a
 * guest and undefined in a host, and always said: a property that is merely missing is told apart by
 * exactOptionalPropertyTypes. Flags may be left out in both.
 */
const dialects = {
  guest: { guest: true, none: "null", rewrite: (text) => text.replace(/\bbigint\b/g, "number") },
  host: { guest: false, none: "undefined", rewrite: (text) => text },
};

function dialect(text, { none, rewrite }) {
  return (
    rewrite(text)
      .replace(/^(\s+\w+)\?: (?!boolean,)(.+),$/gm, `$1: $2 | ${none},`)
      .replace(/\| undefined\b/g, `| ${none}`)
      // Deno takes an import at its word, and there are declarations only.
      .replace(/(['"])(\.\/[^'"]*)\.js\1/g, "$1$2.d.ts$1")
      .replace(/[ \t]+$/gm, "")
  );
}

/** Over what it is made from and what came of it: an edit to either has it made again. */
const inputs = () => ["wasm/types.mjs", ...filesIn(["wasm/wit"])];
const seen = () => digest([], [...inputs(), ...filesIn(["wasm/types"]).filter((file) => !file.endsWith("/digest"))]);

if (isSealed(seal, seen())) process.exit(0);
const missing = missingTool();
if (missing !== undefined) {
  console.log(`wasm: ${missing}; the types of wasm/wit are left as they are`);
  process.exit(0);
}

const { types } = await loadJco();
const wit = await assembleWit();
await inPlace(folder, async (draft) => {
  for (const [side, options] of Object.entries(dialects))
    for (const world of worlds) {
      const instantiation = options.guest ? {} : { instantiation: "async" };
      const made = await types(wit, { worldName: world, name: world, guest: options.guest, ...instantiation });
      for (const [name, bytes] of Object.entries(made)) {
        const path = join(draft, side, name);
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, dialect(Buffer.from(bytes).toString(), options));
      }
    }
});
writeSeal(seal, seen(), toolVersions());
