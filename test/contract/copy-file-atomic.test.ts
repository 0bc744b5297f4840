/** copyFile() is atomic: the old target or the whole new one, also when it dies or the disk is full. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { copyFile } from "sluice";
import { assert, test } from "../support/contract.ts";
import { sha256 } from "../support/data.ts";
import { ownCommand } from "../support/self.ts";
import { tempFolder } from "../support/temp.ts";
import { assertBytes, data, dataFile, MiB, sparseFile } from "./support/files.ts";
import { mountTmpfs } from "./support/limits.ts";
import { failure } from "./support/outcome.ts";

const [program, ...args] = ownCommand();
const script = fileURLToPath(new URL("support/copy-again-and-again.js", import.meta.url));

test(
  "copyFile() killed at any moment leaves a whole file and no half one beside it",
  { needs: ["engine"], timeoutMs: 90_000 },
  async () => {
    const folder = tempFolder();
    const sources = tempFolder();
    const contents = [1, 2].map((seed) => dataFile(sources, 48 * MiB + seed, seed));
    const whole = new Map(contents.map(({ content }) => [sha256(content), true]));
    const target = join(folder, "target");
    fs.writeFileSync(target, contents[0]?.content ?? "");
    let interrupted = 0;
    for (let round = 0; round < 8; round++) {
      const child = spawn(program, [...args, script, target, ...contents.map(({ path }) => path)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exit = once(child, "exit");
      await once(child.stdout, "data");
      await new Promise((resolve) => setTimeout(resolve, round * 13));
      child.kill("SIGKILL");
      const [, signal] = await exit;
      assert.is(signal, "SIGKILL");
      interrupted++;
      assert.ok(whole.has(sha256(fs.readFileSync(target))), `round ${round}: neither the old nor the new file`);
    }
    assert.is(interrupted, 8);
    // Unnamed temporaries go with the process. Only a copy that is complete has a name, between link and rename.
    for (const name of fs.readdirSync(folder))
      assert.ok(whole.has(sha256(fs.readFileSync(join(folder, name)))), `${name} is half a file`);
  },
);

test("copyFile() to a full filesystem is ENOSPC and leaves the old target", { needs: ["root"] }, async () => {
  const { path } = dataFile(tempFolder(), 8 * MiB);
  const folder = mountTmpfs("4m");
  const old = dataFile(folder, MiB, 2);
  const error = await failure(() => copyFile(path, old.path));
  assert.is(error.code, "ENOSPC");
  assertBytes(fs.readFileSync(old.path), old.content);
  assert.is(fs.readdirSync(folder).length, 1);
  const fits = dataFile(tempFolder(), 2 * MiB + 900_000, 3);
  await copyFile(fits.path, old.path);
  assertBytes(fs.readFileSync(old.path), fits.content, "the room of the failed copy was given back");
});

test("copyFile() of a source that is truncated meanwhile fails and leaves the old target (37)", {}, async () => {
  const folder = tempFolder();
  const source = join(folder, "source");
  const target = join(folder, "target");
  sparseFile(source, 2048 * MiB, { 0: data(10_000) });
  fs.writeFileSync(target, "old");
  const shrink = () => fs.truncateSync(source, 4096);
  const options = { reflink: "never", sparse: "never", onProgress: shrink } as const;
  const error = await failure(() => copyFile(source, target, options));
  assert.is(error.code, "ERR_SLUICE_TRUNCATED");
  assert.is(fs.readFileSync(target, "utf8"), "old");
  assert.equal([...fs.readdirSync(folder)].sort(), ["source", "target"]);
});
