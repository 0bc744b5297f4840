/**
 * `deno compile`, as docs/deployment.md has it: the program alone, in an empty folder, has the engine. It is made from
 * Deno's base binary, which Deno downloads, or which DENORT_BIN names: only with that does this run.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { installedProgram } from "../support/programs.ts";
import { tempFolder } from "../support/temp.ts";
import { runIn } from "./bundlers.ts";
import { install, pack } from "./package.ts";

const test = suite("deno compile");
const name = "deno compile: the engine is there";

if (process.env["DENORT_BIN"] === undefined) {
  console.log(`skip ${name}: DENORT_BIN names no base binary`);
  test.skip(name);
} else
  test(name, async () => {
    const project = await install((await pack()).path);
    const deno = await installedProgram("@deno", "deno", "deno/deno");
    writeFileSync(
      join(project, "app.mjs"),
      `import { transfer, capabilities } from "sluice";
const { strategy, bytes } = await transfer(Deno.args[0], Deno.args[0] + ".copy");
console.log(JSON.stringify({ engine: capabilities().engine, strategy, bytes }));\n`,
    );
    const folder = tempFolder();
    const settings = ["--allow-all", "--self-extracting", "--include", "node_modules/sluice/dist/native"];
    const output = join(folder, "app");
    const built = await runIn(project, [deno, "compile", ...settings, "--output", output, "app.mjs"]);
    assert.is(built.code, 0, built.output);
    const place = tempFolder();
    mkdirSync(join(place, "home"));
    const source = join(place, "source");
    writeFileSync(source, "x".repeat(1000));
    const ran = await runIn(folder, ["./app", source], { HOME: join(place, "home") });
    assert.is(ran.code, 0, ran.output);
    const { engine, strategy, bytes } = JSON.parse(ran.stdout) as {
      readonly engine: { readonly available: boolean; readonly reason: string };
      readonly strategy: string;
      readonly bytes: number;
    };
    assert.ok(engine.available, engine.reason);
    assert.is.not(strategy, "portable");
    assert.is(bytes, 1000);
  });

test.run();
