/** A real WebAssembly guest that means ill, with the engine lent to it: it gets answers, and nothing else. */
import * as fs from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { instantiatePlugin } from "sluice/wasi";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { errnoNames } from "#core/abi/errno.js";
import { buildHostileGuest, type Hostile, refusal } from "../support/hostile-guest.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("wasi-hostile");

/** Cases of WIT's variant `error`, by their places. */
const cases = { system: 0, closed: 4, invalidArgument: 5, limitExceeded: 6 } as const;
const system = (name: (typeof errnoNames)[number]) => refusal(cases.system, errnoNames.indexOf(name));
const absurd = 2n ** 64n - 1n;
const { WebAssembly: wasm } = globalThis as unknown as {
  readonly WebAssembly: { compile(bytes: Uint8Array): Promise<object> };
};

test("forged handles, absurd ranges, use after drop, traversal and exhaustion are answered", async () => {
  const built = await buildHostileGuest();
  const module = (await import(pathToFileURL(join(built, "hostile.js")).href)) as {
    instantiate(get: (name: string) => object | Promise<object>, imports: object): unknown;
  };
  const folder = tempFolder();
  fs.writeFileSync(join(folder, "a"), "0123456789");
  fs.writeFileSync(join(folder, "b"), "old");
  fs.symlinkSync("/etc/passwd", join(folder, "escape"));
  const coreModule = (name: string) => wasm.compile(fs.readFileSync(join(built, name)));
  const instance = await instantiatePlugin<Hostile>({
    roots: { "/data": { path: folder, write: true }, "/ro": { path: folder } },
    limits: { openHandles: 8, bytes: 1000, fileBytes: 4096 },
    guest: { module, coreModule },
  });
  const guest = instance.exports;
  const a = guest.open("/data/a", true);
  assert.ok(a > 0 && a < 1000, `open() answered ${a}`);
  assert.is(guest.size(a), 0);
  assert.is(guest.read(a, 3n, 4n), 0);

  for (const [offset, length] of [
    [absurd, 1n],
    [2n ** 53n, 1n],
    [0n, absurd],
  ] as const)
    assert.is(guest.read(a, offset, length), refusal(cases.invalidArgument), `read ${length} at ${offset}`);
  assert.is(guest.setSize(a, absurd), refusal(cases.invalidArgument));
  assert.is(guest.setSize(a, 4097n), refusal(cases.limitExceeded));
  assert.is(guest.move(a, a, absurd), refusal(cases.invalidArgument));

  for (const path of ["/data/../../etc/passwd", "/data/escape", "/data/x/../../y"])
    assert.ok([system("EPERM"), system("ENOENT")].includes(guest.open(path, false)), path);
  assert.is(guest.open("/etc/passwd", false), system("ENOENT"));
  assert.is(guest.open("/ro/b", true), system("EROFS"));
  assert.is(guest.open("/data/a\0", false), refusal(cases.invalidArgument));
  assert.is(guest.open("", false), refusal(cases.invalidArgument));

  let opened = 1;
  while (guest.open("/ro/b", false) < 1000) opened++;
  assert.is(opened, 8);
  assert.is(instance.openHandles, 8);

  for (const forged of [12345, a + 1000, 0x7fffffff]) {
    assert.is(guest.size(forged), system("EBADF"), `size of ${forged}`);
    assert.is(guest.read(forged, 0n, 1n), system("EBADF"));
    assert.is(guest.move(a, forged, 0n), system("EBADF"));
  }
  guest.drop(a);
  assert.is(instance.openHandles, 7);
  assert.is(guest.size(a), system("EBADF"), "after the drop");
  assert.is(guest.setSize(a, 0n), system("EBADF"));
  instance.close();
  assert.is(instance.openHandles, 0);
  assert.is(guest.open("/data/a", false), refusal(cases.closed));
  assert.is(fs.readFileSync(join(folder, "a"), "utf8"), "0123456789");
  assert.equal(fs.readdirSync(folder).sort(), ["a", "b", "escape"]);
});

test.run();
