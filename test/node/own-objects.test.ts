/** The tests in test/runtimes: of the objects that only Bun, or only Deno, has. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limiter } from "../support/limiter.ts";
import { root } from "../support/root.ts";
import { runContract } from "../runner/contract-file.ts";
import { candidates, locate } from "../support/runtimes.ts";

const test = suite("own objects");

for (const candidate of candidates.usual) {
  const names = readdirSync(join(root, "test/runtimes"), { encoding: "utf8" }).includes(candidate.name)
    ? readdirSync(join(root, "test/runtimes", candidate.name)).filter((name) => name.endsWith(".test.ts"))
    : [];
  for (const name of names)
    test(`${candidate.name}: ${name}`, async () => {
      const compiled = join(root, "build/test/runtimes", candidate.name, name.replace(/\.ts$/, ".js"));
      const outcome = await runContract(compiled, await locate(candidate), () => true, limiter(2));
      assert.equal(outcome.failures, [], outcome.output);
      assert.equal(outcome.skips, []);
      assert.ok(outcome.passed > 0);
    });
}

test.run();
