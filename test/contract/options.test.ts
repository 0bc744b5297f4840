/** Options that nobody knows are a TypeError in every public function, before anything happens. */
import * as fs from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import {
  copyFile,
  createPipe,
  createRing,
  explain,
  type FileChannel,
  lease,
  map,
  openFile,
  proxy,
  tee,
  transfer,
} from "sluice";
import { file as fileResponse, proxyPass, serve, type Server, toNodeHandler } from "sluice/fetch";
import { instantiateFallback, instantiatePlugin, wasiImports } from "sluice/wasi";
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

async function withChannel<T>(file: string, act: (channel: FileChannel) => Promise<T>): Promise<T> {
  await using channel = await openFile(file, "r+");
  return await act(channel);
}

async function withServer<T>(act: (server: Server) => Promise<T>): Promise<T> {
  await using server = await serve({ fetch, hostname: "127.0.0.1" });
  return await act(server);
}

const calls: Readonly<Record<string, Call>> = {
  transfer: (options, { file, target }) => transfer(file, target, bag(options)),
  tee: (options, { file, target }) => tee(file, [target], bag(options)),
  copyFile: (options, { file, target }) => copyFile(file, target, bag(options)),
  explain: (options, { file, target }) => explain(file, target, bag(options)),
  lease: (options, { file }) => lease(file, "read", bag(options)),
  map: (options, { file }) => map(file, bag(options)),
  proxy: (options) => proxy(new net.Socket(), new net.Socket(), bag(options)),
  "proxy, maxBytes": (options) => proxy(new net.Socket(), new net.Socket(), { maxBytes: bag(options) }),
  createRing: (options) => createRing(bag(options)),
  createPipe: (options) => createPipe(bag(options)),
  "FileChannel, transferTo": (options, { file, target }) =>
    withChannel(file, (channel) => channel.transferTo(0, 1, target, bag(options))),
  "FileChannel, transferFrom": (options, { file }) =>
    withChannel(file, (channel) => channel.transferFrom(file, 0, 1, bag(options))),
  file: (options, { target }) => fileResponse(new Request("http://x/"), "/", bag({ root: target, ...options })),
  serve: (options) => serve(bag({ fetch, ...options })),
  "serve, close": (options) => withServer((server) => server.close(bag(options))),
  proxyPass: (options) => proxyPass(new Request("http://x/"), "http://127.0.0.1:1/", bag(options)),
  toNodeHandler: (options) => toNodeHandler(fetch, bag(options)),
  instantiateFallback: (options) => instantiateFallback(bag({ roots, ...options })),
  instantiatePlugin: (options) => instantiatePlugin(bag({ roots, ...options })),
  wasiImports: (options) => wasiImports(bag({ roots, ...options })),
  "wasiImports, limits": (options) => wasiImports({ roots, limits: bag(options) }),
  "wasiImports, roots": (options) => wasiImports({ roots: { "/data": bag({ path: "/", ...options }) } }),
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

test("every public function is in the table above", {}, async () => {
  const known = new Set(Object.keys(calls).map((name) => name.replace(/,.*/, "")));
  for (const module of await Promise.all([import("sluice"), import("sluice/fetch"), import("sluice/wasi")]))
    for (const [name, value] of Object.entries(module))
      if (typeof value === "function") assert.ok(known.has(name) || others.has(name), name);
});

test("an explanation's drawing refuses an option that it doesn't know", {}, async () => {
  const { file, target } = place();
  const explanation = await explain(file, target);
  assertRefused(await outcome(() => explanation.drawing(bag({ bogus: 1 }))), "drawing");
});

test("the calls of a ring refuse an option that they don't know", { needs: ["engine"] }, async () => {
  await using ring = await createRing();
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
  using guest = await instantiateFallback({ roots });
  const bogus = bag({ bogus: 1 });
  assertRefused(await outcome(() => guest.transfer("/data/a", "/data/b", bogus)), "transfer");
  assertRefused(await outcome(() => guest.copyFile("/data/a", "/data/b", bogus)), "copyFile");
  assertRefused(await outcome(() => guest.explain("/data/a", "/data/b", bogus)), "explain");
});
