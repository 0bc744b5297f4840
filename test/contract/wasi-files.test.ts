/** Components and files that others have a hand in: sources that are cut, targets that are refused or replaced. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { instantiateFallback, instantiatePlugin } from "sluice/wasi";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { data, MiB } from "./support/files.ts";

const makers = [
  ["fallback", instantiateFallback],
  ["plugin", instantiatePlugin],
] as const;

const codeOf = (call: () => unknown): string | undefined => {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as { readonly code?: string }).code ?? String(error);
  }
};

for (const [name, make] of makers) {
  const needs = name === "plugin" ? (["engine"] as const) : [];

  test(
    `wasi: ${name} never pads a copy of a file that is cut meanwhile (37)`,
    { needs, timeoutMs: 60_000 },
    async () => {
      const folder = tempFolder();
      const guest = await make({ roots: { "/data": { path: folder, write: true } } });
      const whole = data(8 * MiB);
      const [source, target] = [join(folder, "source"), join(folder, "target")];
      for (let round = 0; round < 8; round++) {
        fs.writeFileSync(source, whole);
        // Calls hold this thread, so that another process has to cut it.
        const child = spawn("sh", ["-c", 'sleep "$1"; truncate --size 0 "$2"', "sh", `0.00${round}`, source]);
        const exit = once(child, "exit");
        for (let size = 1; size > 0; size = fs.statSync(source).size) {
          fs.writeFileSync(target, "old");
          const code = codeOf(() => guest.copyFile("/data/source", "/data/target"));
          const found = fs.readFileSync(target);
          if (code === undefined) assert.ok(found.length === 0 || found.equals(whole), `${found.length} bytes`);
          else assert.equal([code, found.toString()], ["ERR_SLUICE_TRUNCATED", "old"]);
        }
        await exit;
      }
      assert.equal(fs.readdirSync(folder).sort(), ["source", "target"]);
    },
  );

  test(`wasi: ${name} makes no file for a transfer that is refused`, { needs }, async () => {
    const folder = tempFolder();
    fs.mkdirSync(join(folder, "folder"));
    fs.writeFileSync(join(folder, "source"), data(1000));
    fs.symlinkSync("nowhere", join(folder, "link"));
    const guest = await make({ roots: { "/data": { path: folder, write: true } } });
    const refused = [
      () => guest.transfer("/data/folder", "/data/new"),
      () => guest.transfer("/data/folder", "/data/link"),
    ];
    fs.utimesSync(folder, 1, 1);
    for (const call of refused) assert.ok(codeOf(call) !== undefined);
    assert.is(fs.statSync(folder).mtimeMs, 1000);
  });
}

test("wasi: plugin makes no file for more bytes than a guest may move", { needs: ["engine"] }, async () => {
  const folder = tempFolder();
  fs.writeFileSync(join(folder, "source"), data(1000));
  fs.symlinkSync("nowhere", join(folder, "link"));
  const roots = { "/data": { path: folder, write: true } };
  const guest = await instantiatePlugin({ roots, limits: { bytes: 999 } });
  fs.utimesSync(folder, 1, 1);
  for (const target of ["new", "link"]) {
    const code = codeOf(() => guest.transfer("/data/source", `/data/${target}`));
    assert.is(code, "ERR_SLUICE_LIMIT");
  }
  assert.is(fs.statSync(folder).mtimeMs, 1000);
});

test(
  "wasi: plugin leaves a file that it replaces its owner, group and mode",
  { needs: ["engine", "root"] },
  async () => {
    const folder = tempFolder();
    fs.writeFileSync(join(folder, "source"), data(1000));
    const target = join(folder, "target");
    const guest = await instantiatePlugin({ roots: { "/data": { path: folder, write: true } } });
    for (const [mode, expected] of [
      [0o600, 0o600],
      [0o6755, 0o755],
    ] as const) {
      fs.writeFileSync(target, "old");
      fs.chownSync(target, 65_534, 65_534);
      fs.chmodSync(target, mode);
      guest.copyFile("/data/source", "/data/target");
      const status = fs.statSync(target);
      assert.equal([status.uid, status.gid, status.mode & 0o7777], [65_534, 65_534, expected]);
      assert.ok(fs.readFileSync(target).equals(data(1000)));
    }
  },
);
