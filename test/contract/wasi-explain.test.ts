/** explain() of the components tells what their transfer() then does, and opens nothing. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { instantiateFallback, instantiatePlugin } from "sluice/wasi";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { data, KiB } from "./support/files.ts";

const sources = [
  "/in/file",
  "/in/empty",
  "/in/link",
  "/in/missing",
  "/in/folder",
  "/in",
  "/out/old",
  "/in/../out/old",
  "/in/file/name",
  "/none/file",
];
const targets = [
  "/out/new",
  "/out/old",
  "/out/link",
  "/out/folder",
  "/out/no/name",
  "/out/old/name",
  "/out",
  "/in/file",
  "/in/new",
  "/none/new",
];
const options = [
  {},
  { offset: 10, length: 100 },
  { length: 0 },
  { targetOffset: 5 },

  { strategies: ["copyFileRange", "splice"] },
] as const;

interface Told {
  readonly code: string | undefined;
  readonly strategies: readonly string[];
}

function told(call: () => readonly { readonly strategy: string }[]): Told {
  try {
    return { code: undefined, strategies: call().map(({ strategy }) => strategy) };
  } catch (error) {
    const { code, attempts = [] } = error as { code: string; attempts?: readonly { strategy: string }[] };
    return { code, strategies: attempts.map(({ strategy }) => strategy) };
  }
}

const agree = (plan: Told, done: Told): boolean =>
  plan.code === undefined
    ? (done.code === undefined || done.strategies.length > 0) &&
      done.strategies.every((strategy, index) => strategy === plan.strategies[index])
    : plan.code === done.code && done.strategies.length === 0;

for (const [name, make] of Object.entries({ fallback: instantiateFallback, plugin: instantiatePlugin }))
  test(
    `wasi: explain() and transfer() of ${name} agree`,
    { needs: ["engine", "proc"], timeoutMs: 60_000 },
    async () => {
      const [input, output] = [tempFolder(), tempFolder()];
      fs.writeFileSync(join(input, "file"), data(20 * KiB));
      fs.writeFileSync(join(input, "empty"), "");
      fs.symlinkSync("file", join(input, "link"));
      fs.symlinkSync("old", join(output, "link"));
      for (const base of [input, output]) fs.mkdirSync(join(base, "folder"));
      using guest = await make({ roots: { "/in": { path: input }, "/out": { path: output, write: true } } });
      const wrong: string[] = [];
      for (const from of sources)
        for (const to of targets)
          for (const asked of options) {
            fs.rmSync(join(output, "new"), { force: true });
            fs.writeFileSync(join(output, "old"), data(5 * KiB));
            const plan = told(() => guest.explain(from, to, asked).candidates);
            assert.not.ok(fs.existsSync(join(output, "new")));
            assert.is(fs.statSync(join(output, "old")).size, 5 * KiB);
            const done = told(() => guest.transfer(from, to, asked).attempts);
            const shown = JSON.stringify([from, to, asked, plan, done]);
            if (!agree(plan, done)) wrong.push(shown);
          }
      assert.equal(wrong, []);
      // Nor does it open a FIFO, which would let a writer in whose bytes nobody reads.
      const fifo = join(input, "fifo");
      execFileSync("mkfifo", [fifo]);
      for (const [from, to] of [
        ["/in/fifo", "/out/new"],
        ["/in/file", "/out/fifo"],
      ] as const) {
        if (to === "/out/fifo") execFileSync("mkfifo", [join(output, "fifo")]);
        const { atimeMs, ctimeMs } = fs.statSync(fifo);
        told(() => guest.explain(from, to).candidates);
        assert.equal([fs.statSync(fifo).atimeMs, fs.statSync(fifo).ctimeMs], [atimeMs, ctimeMs]);
      }
    },
  );
