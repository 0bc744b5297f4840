/** No library, no FFI, no permission: the portable path, with the reason. */
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataFile, MiB } from "../contract/support/files.ts";
import { runChild } from "../support/child.ts";
import { sha256 } from "../support/data.ts";
import { root } from "../support/root.ts";
import { tempFolder } from "../support/temp.ts";
import { served, servedFolder } from "./support/served.ts";

/** Stable since Node 23.5. */
const permissionFlag = process.allowedNodeEnvironmentFlags.has("--permission")
  ? "--permission"
  : "--experimental-permission";

const test = suite("without engine");

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const { path, content } = dataFile(tempFolder(), 3 * MiB + 1);

/** What the script prints of a machine and a transfer. */
interface Told {
  readonly engine: { readonly available: boolean; readonly reason: string };
  readonly strategy: string;
  readonly sha256: string;
  readonly copied: string;
  readonly forced: string;
  readonly copy: boolean;
}

async function tell(nodeOptions: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Told> {
  const command = [process.execPath, ...nodeOptions, here("support/tell.js"), path] as const;
  const { code, output, stdout } = await runChild([...command], 20_000, { ...process.env, ...env });
  assert.is(code, 0, output);
  return JSON.parse(stdout) as Told;
}

interface Lack {
  readonly name: string;
  readonly options?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly reason: RegExp;
}

const lacks: readonly Lack[] = [
  {
    name: "the library is not where SLUICE_LIBRARY says",
    env: { SLUICE_LIBRARY: "/nonexistent/libsluice.so" },
    reason: /\/nonexistent\/libsluice\.so/,
  },
  { name: "SLUICE_LIBRARY is no library", env: { SLUICE_LIBRARY: "/etc/passwd" }, reason: /\/etc\/passwd/ },
  { name: "SLUICE_LIBRARY is somebody else's library", env: { SLUICE_LIBRARY: foreignLibrary() }, reason: /./ },
  { name: "it is switched off", env: { SLUICE_DISABLE_NATIVE: "1" }, reason: /SLUICE_DISABLE_NATIVE/ },
  { name: "koffi is not installed", options: ["--import", here("support/without-koffi.js")], reason: /koffi/ },
  {
    name: "addons are forbidden by the permission model",
    options: [permissionFlag, "--allow-fs-read=*", "--allow-fs-write=*"],
    reason: /./,
  },
  { name: "addons are switched off", options: ["--no-addons"], reason: /./ },
];

/** A shared library that has none of our symbols: the C library that this process itself has mapped. */
function foreignLibrary(): string {
  const [found] = /\/\S+\/libc[.-]\S+/.exec(fs.readFileSync("/proc/self/maps", "utf8")) ?? [];
  if (found === undefined) throw new Error("This process has no C library mapped");
  return found;
}

for (const { name, options = [], env = {}, reason } of lacks) {
  test(`transfer() takes the portable path when ${name}`, async () => {
    const told = await tell(options, env);
    assert.is(told.engine.available, false);
    assert.match(told.engine.reason, reason);
    assert.not.match(told.engine.reason, /\n/);
    assert.is(told.strategy, "portable");
    assert.is(told.sha256, sha256(content));
    assert.is(told.copied, "yes");
    assert.is(told.forced, "ERR_SLUICE_UNSUPPORTED", "nothing forced is swapped for another");
    assert.ok(told.copy, "copyFile() works as well");
  });
}

test("transfer() has its engine when nothing is lacking", async () => {
  const told = await tell([]);
  assert.is(told.engine.available, true);
  assert.is(told.strategy, "sendfile");
});

test("proxy() that is refused for want of the engine leaves both sockets as they were", async () => {
  const env = { ...process.env, SLUICE_DISABLE_NATIVE: "1" };
  const { code, output, stdout } = await runChild([process.execPath, here("support/refused-proxy.js")], 20_000, env);
  assert.is(code, 0, output);
  assert.equal(JSON.parse(stdout), {
    code: "ERR_SLUICE_UNSUPPORTED",
    heard: "before after",
    answer: "as it was",
    halfOpen: false,
  });
});

test("file() serves a folder, and nothing else, by a permission model that allows no other", async () => {
  const site = servedFolder();
  const allowed = [root, site].map((folder) => `--allow-fs-read=${join(folder, "*")}`);
  const command = [process.execPath, permissionFlag, ...allowed, here("support/serve-paths.js"), site] as const;
  const { code, output, stdout } = await runChild([...command, ...Object.keys(served)], 20_000);
  assert.is(code, 0, output);
  assert.equal(JSON.parse(stdout), served);
});

test.run();
