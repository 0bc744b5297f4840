/** A SIGBUS that is none of ours ends, or doesn't end, a runtime just as it did without us. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataFile } from "../contract/support/files.ts";
import { type Ended, runChild } from "../support/child.ts";
import { unmet } from "../support/needs.ts";
import { skipLine } from "../support/protocol.ts";
import { root } from "../support/root.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("foreign signals");
const folder = tempFolder();
const script = fileURLToPath(new URL("support/signal-self.js", import.meta.url));
const missing = await unmet(["engine"]);

/** How a process ended; a runtime's own crash report has addresses and times in it. */
const endOf = ({ code, signal, timedOut }: Ended) => ({ code, signal, timedOut });

let preload: string | undefined;

/** Built when it is first wanted: where the engine was built, there is a compiler. */
function hole(): string {
  if (preload !== undefined) return preload;
  preload = join(folder, "hole.so");
  const source = join(root, "test/node/support/hole.c");
  execFileSync(process.env["CC"] ?? "cc", ["-shared", "-fPIC", "-o", preload, source]);
  return preload;
}

const cases = [
  ["SIGBUS", "sent by kill(2)"],
  ["SIGUSR2", "raised by a mapping of somebody else's"],
] as const;

for (const candidate of candidates.usual)
  for (const [signal, what] of cases) {
    const name = `a SIGBUS ${what} ends ${candidate.name} as without a mapping`;
    if (missing !== undefined) {
      test.skip(name);
      console.log(skipLine(name, missing));
      continue;
    }
    test(name, async () => {
      const { command } = await locate(candidate);
      const end = async (mapped: string): Promise<Ended> => {
        const { path } = dataFile(folder, 100_000);
        const env = signal === "SIGUSR2" ? { ...process.env, LD_PRELOAD: hole() } : process.env;
        return runChild([...command, script, path, mapped, signal], 20_000, env);
      };
      const [without, having] = [await end("unmapped"), await end("mapped")];
      assert.equal(endOf(having), endOf(without), having.output);
      assert.is(having.timedOut, false);
      assert.is.not(having.code, 98, "the guard works");
    });
  }

test.run();
