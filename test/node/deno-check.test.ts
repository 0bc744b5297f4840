/** Deno's own type checker on what Deno users import: tsc knows Deno by @types/deno alone. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { installedProgram } from "../support/programs.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

for (const [what, args] of [
  ["the entry", ["adapters/deno.ts"]],
  ["the example", ["--config", "examples/deno.json", "examples/deno-file-server.ts"]],
] as const)
  test(`deno check accepts ${what}`, async () => {
    const deno = await installedProgram("@deno", "deno", "deno/deno");
    const { status, stderr } = spawnSync(deno, ["check", ...args], { cwd: root, encoding: "utf8", timeout: 600_000 });
    assert.is(status, 0, stderr);
  });

test.run();
