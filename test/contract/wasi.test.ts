/** The components, run for real: what they move, what they answer, and what a guest that means ill gets. */
import * as fs from "node:fs";
import { join } from "node:path";
import { type GuestTransfer, instantiateFallback, instantiatePlugin } from "sluice/wasi";
import { assert, test } from "../support/contract.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";

const GiB = 2 ** 30;
const size = 3 * MiB + 17;

interface Scene {
  readonly folder: string;
  readonly content: Buffer;
}

function scene(): Scene {
  const { path, content } = dataFile(tempFolder(), size);
  const folder = tempFolder();
  fs.copyFileSync(path, join(folder, "a"));
  fs.mkdirSync(join(folder, "folder"));
  fs.symlinkSync("/etc/passwd", join(folder, "escape"));
  fs.symlinkSync("loop", join(folder, "loop"));
  fs.writeFileSync(join(folder, "zero"), "");
  fs.writeFileSync(join(folder, "sparse"), "");
  fs.truncateSync(join(folder, "sparse"), 5 * GiB);
  return { folder, content };
}

const makers = { fallback: instantiateFallback, plugin: instantiatePlugin } as const;

function make(component: keyof typeof makers, folder: string): Promise<GuestTransfer> {
  return makers[component]({ roots: { "/data": { path: folder, write: true }, "/ro": { path: folder } } });
}

function thrown(call: () => unknown): Error & { readonly code?: string } {
  try {
    call();
  } catch (error) {
    assert.instance(error, Error);
    return error as Error;
  }
  throw new Error("It was expected to fail");
}

type Arguments = Parameters<GuestTransfer["transfer"]>;

const refused: readonly (readonly [string, Arguments])[] = [
  ["ENOENT", ["/data/none", "/data/x"]],
  ["EPERM", ["/data/escape", "/data/x"]],
  ["EPERM", ["/data/../etc/passwd", "/data/x"]],
  ["ENOENT", ["/etc/passwd", "/data/x"]],
  ["ELOOP", ["/data/loop", "/data/x"]],
  ["EISDIR", ["/data/folder", "/data/x"]],
  ["EISDIR", ["/data/a", "/data/folder"]],
  ["EROFS", ["/data/a", "/ro/x"]],
  ["ERR_OUT_OF_RANGE", ["/data/a", "/data/x", { offset: 2 ** 53 }]],
  ["ERR_OUT_OF_RANGE", ["/data/a", "/data/x", { length: 2n ** 64n }]],
  ["ERR_OUT_OF_RANGE", ["/data/a", "/data/x", { targetOffset: -1 }]],
  ["ERR_INVALID_ARG_VALUE", ["/data/a", "/data/x", { strategies: ["nope"] }]],
  ["ERR_INVALID_ARG_VALUE", ["/data/a\0", "/data/x"]],
  ["ERR_SLUICE_OVERLAP", ["/data/a", "/data/a", { targetOffset: 10 }]],
];

for (const component of ["fallback", "plugin"] as const) {
  test(`wasi: ${component} moves what it is told to, and refuses the rest`, { timeoutMs: 60_000 }, async () => {
    const { folder, content } = scene();
    const guest = await make(component, folder);
    const copy = guest.copyFile("/ro/a", "/data/b");
    assert.is(copy.bytes, size);
    assert.is(copy.strategy === "portable", component === "fallback");
    assert.is(copy.copied === "yes", component === "fallback");
    assertBytes(fs.readFileSync(join(folder, "b")), content);
    assert.is(thrown(() => guest.copyFile("/data/a", "/data/b", { overwrite: false })).code, "EEXIST");

    const part = guest.transfer("/data/a", "/data/part", { offset: 5, length: 2 * MiB });
    assert.is(part.bytes, 2 * MiB);
    assertBytes(fs.readFileSync(join(folder, "part")), content.subarray(5, 5 + 2 * MiB));
    assert.is(guest.transfer("/data/zero", "/data/x").bytes, 0);
    assert.is(guest.transfer("/data/a", "/data/x", { length: 0 }).bytes, 0);
    assert.is(guest.transfer("/data/a", "/data/x", { offset: 2 ** 40 }).bytes, 0);
    assert.is(guest.transfer("/data/sparse", "/data/x", { offset: 5 * GiB - 4096 }).bytes, 4096);
    const far = { length: 1000, targetOffset: 5 * GiB };
    assert.is(guest.transfer("/data/a", "/data/far", far).bytes, 1000);
    assert.is(fs.statSync(join(folder, "far")).size, 5 * GiB + 1000);

    const before = fs.readdirSync(folder);
    for (const [code, args] of refused) assert.is(thrown(() => guest.transfer(...args)).code, code, args.join());
    assert.equal(fs.readdirSync(folder), before, "nothing is left behind");
    assertBytes(fs.readFileSync(join(folder, "a")), content);
    assert.is(guest.capabilities().engine, component === "plugin");
    assert.ok(guest.explain("/data/a", "/data/y").candidates.length > 0);
    assert.is(guest.transfer("/data/a", "/data/again").bytes, size, "no refusal has poisoned the instance");
    guest.close();
    assert.is(thrown(() => guest.transfer("/data/a", "/data/x")).code, "ERR_SLUICE_CLOSED");
  });
}

/** What is in `sluice:transfer/native`, as a guest without manners calls it. */
interface Handle {
  size(): bigint;
  read(offset: bigint, length: bigint): Uint8Array;
  write(offset: bigint, bytes: Uint8Array): void;
  setSize(size: bigint): void;
  [Symbol.dispose](): void;
}

interface Native {
  readonly Handle: { readonly prototype: Handle };
  open(path: string, mode: "read" | "write"): Handle;
}

function tagOf(call: () => unknown): string {
  const { payload } = thrown(call) as { readonly payload?: { readonly tag: string; readonly val: { errno?: string } } };
  if (payload === undefined) throw new Error("It was a trap, not an answer");
  return payload.val.errno ?? payload.tag;
}

test("wasi: a hostile guest gets answers, and its files are closed with it", { alone: true }, async () => {
  const { folder, content } = scene();
  // The first instance opens what the library keeps.
  (await make("plugin", folder)).close();
  const census = await takeFdCensus();
  const instance = await instantiatePlugin<Readonly<Record<string, Native>>>({
    roots: { "/data": { path: folder, write: true }, "/ro": { path: folder } },
    limits: { openHandles: 4, bytes: 3 * MiB, fileBytes: 4 * MiB },
    guest: { module: { instantiate: (_core, imports) => imports }, coreModule: () => ({}) },
  });
  const native = instance.exports["sluice:transfer/native"];
  if (native === undefined) throw new Error("The engine was not lent");
  const absurd = 2n ** 64n - 1n;

  const file = native.open("/data/a", "write");
  assertBytes(Buffer.from(file.read(7n, 1000n)), content.subarray(7, 1007));
  assert.is(file.read(2n ** 40n, 10n).byteLength, 0);
  assert.is(
    tagOf(() => file.read(absurd, 10n)),
    "invalid-argument",
  );
  assert.is(
    tagOf(() => file.write(absurd, new Uint8Array(1))),
    "invalid-argument",
  );
  assert.is(
    tagOf(() => file.setSize(absurd)),
    "invalid-argument",
  );
  assert.is(
    tagOf(() => file.setSize(5n * BigInt(MiB))),
    "limit-exceeded",
  );
  assert.is(
    tagOf(() => (Object.create(native.Handle.prototype) as Handle).size()),
    "ebadf",
  );
  file[Symbol.dispose]();
  assert.is(
    tagOf(() => file.size()),
    "ebadf",
  );

  assert.is(
    tagOf(() => native.open("/data/../../etc/passwd", "read")),
    "eperm",
  );
  assert.is(
    tagOf(() => native.open("/data/escape", "read")),
    "eperm",
  );
  assert.is(
    tagOf(() => native.open("/ro/new", "write")),
    "erofs",
  );
  for (let count = 0; count < 4; count++) native.open("/ro/a", "read");
  assert.is(
    tagOf(() => native.open("/ro/a", "read")),
    "limit-exceeded",
  );
  assert.is(instance.openHandles, 4);
  instance.close();
  assert.is(instance.openHandles, 0);
  assert.is(
    tagOf(() => native.open("/ro/a", "read")),
    "closed",
  );
  await census.assertUnchanged();
});
