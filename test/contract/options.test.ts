/** Options that nobody knows are a TypeError in every public function, before anything happens. */
import * as fs from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import * as sluice from "sluice";
import * as web from "sluice/fetch";
import * as wasi from "sluice/wasi";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";

interface Place {
  readonly file: string;
  readonly target: string;
}

/** A bag that has everything which the function demands, and one name more. */
type Bag = Readonly<Record<string, unknown>>;

/** Calls a function with a bag in each of its places for one. */
type Call = (bag: Bag, place: Place) => unknown;

const bag = (options: Bag): never => options as never;
const roots = { "/data": { path: "/" } };
const fetch = () => new Response();

async function withChannel<T>(file: string, act: (channel: sluice.FileChannel) => Promise<T>): Promise<T> {
  await using channel = await sluice.openFile(file, "r+");
  return await act(channel);
}

async function withServer<T>(act: (server: web.Server) => Promise<T>): Promise<T> {
  await using server = await web.serve({ fetch, hostname: "127.0.0.1" });
  return await act(server);
}

const calls: Readonly<Record<string, Call>> = {
  transfer: (options, { file, target }) => sluice.transfer(file, target, bag(options)),
  tee: (options, { file, target }) => sluice.tee(file, [target], bag(options)),
  copyFile: (options, { file, target }) => sluice.copyFile(file, target, bag(options)),
  explain: (options, { file, target }) => sluice.explain(file, target, bag(options)),
  lease: (options, { file }) => sluice.lease(file, "read", bag(options)),
  map: (options, { file }) => sluice.map(file, bag(options)),
  proxy: (options) => sluice.proxy(new net.Socket(), new net.Socket(), bag(options)),
  "proxy, maxBytes": (options) => sluice.proxy(new net.Socket(), new net.Socket(), { maxBytes: bag(options) }),
  createRing: (options) => sluice.createRing(bag(options)),
  createPipe: (options) => sluice.createPipe(bag(options)),
  "FileChannel, transferTo": (options, { file, target }) =>
    withChannel(file, (channel) => channel.transferTo(0, 1, target, bag(options))),
  "FileChannel, transferFrom": (options, { file }) =>
    withChannel(file, (channel) => channel.transferFrom(file, 0, 1, bag(options))),
  file: (options, { target }) => web.file(new Request("http://x/"), "/", bag({ root: target, ...options })),
  serve: (options) => web.serve(bag({ fetch, ...options })),
  "serve, close": (options) => withServer((server) => server.close(bag(options))),
  toNodeHandler: (options) => web.toNodeHandler(fetch, bag(options)),
  instantiateFallback: (options) => wasi.instantiateFallback(bag({ roots, ...options })),
  instantiatePlugin: (options) => wasi.instantiatePlugin(bag({ roots, ...options })),
  wasiImports: (options) => wasi.wasiImports(bag({ roots, ...options })),
  "wasiImports, limits": (options) => wasi.wasiImports({ roots, limits: bag(options) }),
  "wasiImports, roots": (options) => wasi.wasiImports({ roots: { "/data": bag({ path: "/", ...options }) } }),
};

/** What takes no options, or none of ours. */
const others = new Set([
  "capabilities",
  "interfaceFeatures",
  "openFile",
  "openRing",
  "FileChannel",
  "TransferError",
  "TeeError",
]);

async function outcome(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    return error;
  }
}

function assertRefused(error: unknown, name: string): void {
  assert.instance(error, TypeError, `${name}: ${String(error)}`);
  assert.is((error as Error & { code?: string }).code, "ERR_INVALID_ARG_VALUE", name);
  assert.match((error as Error).message, '"bogus"');
}

function place(): Place {
  const folder = tempFolder();
  const file = join(folder, "file");
  fs.writeFileSync(file, "content");
  return { file, target: join(folder, "target") };
}

for (const [name, call] of Object.entries(calls))
  test(`${name} refuses an option that it doesn't know, whatever its value`, {}, async () => {
    for (const value of [1, undefined]) {
      const here = place();
      assertRefused(await outcome(() => call({ bogus: value }, here)), name);
      assert.not.ok(fs.existsSync(here.target), "something had happened before");
      assert.is(fs.readFileSync(here.file, "utf8"), "content");
    }
  });

test("every public function is in the table above", {}, () => {
  const known = new Set(Object.keys(calls).map((name) => name.replace(/,.*/, "")));
  for (const module of [sluice, web, wasi])
    for (const [name, value] of Object.entries(module))
      if (typeof value === "function") assert.ok(known.has(name) || others.has(name), name);
});

test("an explanation's drawing refuses an option that it doesn't know", {}, async () => {
  const { file, target } = place();
  const explanation = await sluice.explain(file, target);
  assertRefused(await outcome(() => explanation.drawing(bag({ bogus: 1 }))), "drawing");
});

test("the calls of a ring refuse an option that they don't know", { needs: ["engine"] }, async () => {
  await using ring = await sluice.createRing();
  const bogus = bag({ bogus: 1 });
  const methods: Readonly<Record<string, () => unknown>> = {
    write: () => ring.write(new Uint8Array(1), bogus),
    end: () => ring.end(bogus),
    read: () => ring.read(bogus),
    views: () => ring.views(bogus).next(),
  };
  for (const [name, call] of Object.entries(methods)) assertRefused(await outcome(call), name);
});

test("a component's functions refuse an option that they don't know", {}, async () => {
  using guest = await wasi.instantiateFallback({ roots });
  const bogus = bag({ bogus: 1 });
  assertRefused(await outcome(() => guest.transfer("/data/a", "/data/b", bogus)), "transfer");
  assertRefused(await outcome(() => guest.copyFile("/data/a", "/data/b", bogus)), "copyFile");
  assertRefused(await outcome(() => guest.explain("/data/a", "/data/b", bogus)), "explain");
});
