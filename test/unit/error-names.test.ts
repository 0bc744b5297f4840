/** One set of names for what fails: in the C engine, in TypeScript, and in the WIT of the components. */
import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { caseCodes } from "#core/wasi/component.js";
import { errnoName, errnoNames, errnoNumber } from "#core/abi/errno.js";
import { wasiErrnos } from "#core/wasi/wasi.js";
import { root } from "../support/root.ts";

const test = suite("error names");
const wit = readFileSync(join(root, "wasm/wit/types.wit"), "utf8").replace(/\/\/.*$/gm, "");

/** The words of an `enum` or the cases of a `variant`. */
function cases(kind: "enum" | "variant", name: string): string[] {
  const body = new RegExp(`${kind} ${name} \\{([^}]*)\\}`).exec(wit)?.[1];
  if (body === undefined) throw new Error(`There is no ${kind} ${name} in types.wit`);
  return body.split(",").flatMap((one) => /^\s*([a-z-]+)/.exec(one)?.[1] ?? []);
}

test("WIT's enum of errnos is TypeScript's table, in its order", () => {
  assert.equal(
    cases("enum", "errno"),
    errnoNames.map((name) => name.toLowerCase()),
  );
});

test("WIT's variant has a case for each code that a component tells, and `system` for errnos", () => {
  assert.equal(cases("variant", "error"), ["system", ...Object.keys(caseCodes)]);
  const documented = readFileSync(join(root, "core/error.ts"), "utf8");
  for (const code of Object.values(caseCodes)) assert.ok(documented.includes(`\`${code}\``), `${code} is undocumented`);
});

test("what the C engine answers has its name and its number in TypeScript's table, and so in WIT", () => {
  const folder = join(root, "native/src");
  const sources = readdirSync(folder).filter((name) => /\.[ch]$/.test(name));
  const used = new Set(
    sources.flatMap((name) =>
      [...readFileSync(join(folder, name), "utf8").matchAll(/-(E[A-Z0-9]{2,})\b/g)].map(([, errno]) => String(errno)),
    ),
  );
  assert.ok(used.has("EAGAIN") && used.has("ENOMEM") && used.size > 8, [...used].join(" "));
  const numbers: Readonly<Record<string, number>> = constants.errno;
  for (const name of used) {
    assert.is.not(errnoNumber(name), 0, `${name} has no name in core/abi/errno.ts`);
    assert.is(errnoName(errnoNumber(name)), name);
    if (name in numbers) assert.is(numbers[name], errnoNumber(name), name);
  }
});

test("each code of wasi:filesystem is an errno of the table", () => {
  for (const name of Object.values(wasiErrnos)) assert.ok(errnoNames.includes(name), name);
});

test.run();
