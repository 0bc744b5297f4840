import { readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { strategyNames } from "#core/plan/strategies.js";
import { tempFolder } from "../support/temp.ts";
import { cli, type CliEnd, parseJson } from "./cli.ts";

type Fields = Readonly<Record<string, unknown>>;

const fields = (value: unknown): Fields => value as Fields;

const abilities = ["yes", "no", "unknown"];

function assertCapability(value: unknown, name: string): void {
  const { ability, reason } = fields(value);
  assert.ok(abilities.includes(String(ability)), `${name}: ${String(ability)}`);
  assert.ok(typeof reason === "string" && reason.length > 0, name);
}

let found: CliEnd | undefined;
/** One run serves several tests. */
async function findings(): Promise<Fields> {
  found ??= await cli(["doctor", "--json", "/dev/shm", "/proc"]);
  assert.is(found.code, 0, found.stderr);
  assert.is(found.stderr, "");
  return parseJson(found);
}

test("doctor --json tells kernel, runtime and versions", async () => {
  const system = fields((await findings())["system"]);
  assert.is(system["kernel"], `Linux ${release()}`);
  assert.is(system["arch"], process.arch);
  assert.equal(system["runtime"], { name: "node", version: process.versions.node });
  assert.is(fields(system["versions"])["uv"], process.versions.uv);
});

test("doctor --json tells whether the engine is there and why", async () => {
  const engine = fields((await findings())["engine"]);
  assert.type(engine["available"], "boolean");
  assert.ok(String(engine["reason"]).length > 0);
});

test("doctor --json has an answer and a reason for every mechanism and for io_uring", async () => {
  const { mechanisms, ioUring } = await findings();
  assert.equal(new Set(Object.keys(fields(mechanisms))), new Set(strategyNames));
  for (const [name, capability] of Object.entries(fields(mechanisms))) assertCapability(capability, name);
  assertCapability(ioUring, "io_uring");
});

test("doctor --json tries the filesystems under the given paths", async () => {
  const [shared, proc] = (await findings())["filesystems"] as readonly Fields[];
  assert.equal([shared?.["path"], shared?.["mount"], shared?.["type"]], ["/dev/shm", "/dev/shm", "tmpfs"]);
  assert.is(fields(shared?.["reflink"])["ability"], "no");
  assert.is(fields(shared?.["unnamed"])["ability"], "yes");
  assert.is(proc?.["type"], "proc");
  assert.is(fields(proc?.["direct"])["ability"], "unknown", "nothing can be made there, so nothing is known");
  for (const name of ["reflink", "direct", "unnamed"]) assertCapability(proc?.[name], name);
});

test("doctor leaves nothing behind where it tried", async () => {
  const folder = tempFolder();
  assert.is((await cli(["doctor", folder])).code, 0);
  assert.equal(readdirSync(folder), []);
});

test("doctor --json reads the kernel's limits", async () => {
  const limits = fields((await findings())["limits"]);
  const pipeMaxSize = Number(readFileSync("/proc/sys/fs/pipe-max-size", "utf8"));
  assert.is(limits["pipeMaxSizeBytes"], pipeMaxSize);
  assert.is(limits["leaseBreakTimeS"], Number(readFileSync("/proc/sys/fs/lease-break-time", "utf8")));
  assert.type(limits["fileMax"], "number");
  assert.ok(limits["openFilesSoft"] === "unlimited" || typeof limits["openFilesSoft"] === "number");
});

test("doctor --json tells every interface's features, or why they are not known", async () => {
  const interfaces = (await findings())["interfaces"] as readonly Fields[];
  assert.equal(
    interfaces.map(({ name }) => name),
    readdirSync("/sys/class/net"),
  );
  for (const { name, features, reason } of interfaces) {
    if (features === null) assert.ok(String(reason).length > 0, String(name));
    else
      for (const feature of ["scatterGather", "tso", "txChecksum"]) assert.type(fields(features)[feature], "boolean");
  }
});

test("doctor --interface tells of one that is not there without failing", async () => {
  const end = await cli(["doctor", "--json", "--interface", "lo", "nosuch0"]);
  const [, absent] = parseJson(end)["interfaces"] as readonly Fields[];
  assert.equal([absent?.["name"], absent?.["features"]], ["nosuch0", null]);
  assert.is(end.code, 0);
});

test("doctor tells the same to people", async () => {
  const text = (await cli(["doctor", "/dev/shm"])).stdout.toString();
  for (const part of [
    "System",
    "Mechanisms",
    "Filesystem of /dev/shm: tmpfs",
    "Network interfaces",
    "pipe-max-size",
    "io_uring",
  ])
    assert.match(text, part);
  assert.not.match(text, "\u001b");
});

test("doctor of a missing path exits 1", async () => {
  const end = await cli(["doctor", "./nothing"], { cwd: tempFolder() });
  assert.is(end.stderr, "sluice: Cannot examine this machine: no such file or directory (ENOENT, ./nothing)\n");
  assert.is(end.code, 1);
});

test.run();
