/** The two descriptions of the package, package.json's and deno.json's, say the same. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";

/** What a condition leads to. */
interface Leaf {
  readonly types: string;
  readonly default: string;
}

interface Manifest<Target> {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, Target>>;
}

const root = new URL("../../../", import.meta.url);
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, root), "utf8"));
const npm = read("package.json") as Manifest<string | Readonly<Record<string, Leaf>>>;
const jsr = read("deno.json") as Manifest<string>;

test("both manifests have the same version and licence, and deno.json a scoped name of its own", () => {
  assert.is(jsr.version, npm.version);
  assert.is(jsr.license, npm.license);
  assert.match(jsr.name, /^@[^/]+\/sluice$/);
  // Equal names would make Deno take deno.json's exports for self-imports.
  assert.is.not(jsr.name, npm.name);
});

test("deno.json exports the sources of what package.json exports to Deno", () => {
  const modules = Object.entries(npm.exports).filter(([, target]) => typeof target === "object");
  assert.equal(
    Object.keys(jsr.exports),
    modules.map(([name]) => name),
  );
  for (const [name, conditions] of modules) {
    const built = (conditions as Readonly<Record<string, Leaf>>)["deno"]?.default ?? "";
    assert.is(jsr.exports[name], built.replace("./dist/lib/", "./adapters/").replace(/\.js$/, ".ts"));
  }
});

test("conditions stand in the order in which runtimes have to meet them, and lead to files", () => {
  for (const [name, target] of Object.entries(npm.exports)) {
    if (typeof target === "string") continue;
    // What needs node:stream has nothing for hosts without it.
    const portable = name === ".";
    const order = ["deno", "bun", ...(portable ? ["workerd"] : []), "node", ...(portable ? ["default"] : [])];
    assert.equal(Object.keys(target), order);
    for (const leaf of Object.values(target)) {
      // A compiler takes the first that it knows.
      assert.equal(Object.keys(leaf), ["types", "default"]);
      for (const path of Object.values(leaf)) assert.ok(existsSync(new URL(path, root)), path);
      assert.is(leaf.types, leaf.default.replace("./dist/lib/", "./dist/modules/adapters/").replace(/\.js$/, ".d.ts"));
    }
  }
});

/** The modules of the package that importing one brings along, and what they import by name. */
function importsOf(entry: URL): { readonly files: Set<string>; readonly names: Set<string> } {
  const files = new Set<string>();
  const names = new Set<string>();
  const visit = (url: URL) => {
    if (files.has(url.href)) return;
    files.add(url.href);
    const code = readFileSync(url, "utf8");
    // What is minified has them in one line.
    for (const [, from = ""] of code.matchAll(/(?:^|;)(?:import|export)\b[^;]*?\bfrom ?"([^"]+)";/gm))
      if (from.startsWith(".")) visit(new URL(from, url));
      else names.add(from);
  };
  visit(entry);
  return { files, names };
}

test("importing sluice brings few files along, and of Node's modules none that is slow to load", () => {
  const { files, names } = importsOf(new URL("dist/lib/node.js", root));
  assert.ok(files.size <= 5, [...files].join(" "));
  assert.ok(
    [...names].every((name) => name.startsWith("node:")),
    [...names].join(" "),
  );
  // Each export of node:process is read for its namespace, process.stdin among them.
  for (const slow of ["node:process", "node:crypto", "node:http", "node:worker_threads"])
    assert.not.ok(names.has(slow), slow);
});

test("importing sluice does not bring along what explain() alone needs", () => {
  const drawing = "(the bytes never come here)";
  const texts = (entry: string) =>
    [...importsOf(new URL(entry, root)).files].map((url) => readFileSync(new URL(url), "utf8"));
  assert.ok(texts("dist/lib/portable.js").some((text) => text.includes(drawing)));
  for (const runtime of ["node", "bun", "deno"])
    assert.not.ok(
      texts(`dist/lib/${runtime}.js`).some((text) => text.includes(drawing)),
      runtime,
    );
});

test("the command line begins without what its services alone need", () => {
  const names = ["cli/main.js", "node.js", "node/internal.js"].flatMap((entry) => [
    ...importsOf(new URL(`dist/lib/${entry}`, root)).names,
  ]);
  for (const slow of ["sluice/fetch", "sluice/stream", "node:http", "node:cluster"])
    assert.not.ok(names.includes(slow), slow);
});

/** Words that only these packages have: what the command line carries has no name any more. */
const signs = { commander: "InvalidArgumentError", "prom-client": "AggregatorRegistry", "ipaddr.js": "parseCIDR" };

test("the command line carries what it needs, by its own files, and begins without what its services alone need", () => {
  const folder = new URL("dist/lib/cli/", root);
  const all = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), "utf8"));
  const { files, names } = importsOf(new URL("main.js", folder));
  const first = [...files].map((url) => readFileSync(new URL(url), "utf8"));
  for (const sign of Object.values(signs))
    assert.ok(
      all.some((text) => text.includes(sign)),
      sign,
    );
  assert.ok(first.some((text) => text.includes(signs.commander)));
  for (const slow of ["prom-client", "ipaddr.js"] as const)
    assert.not.ok(
      first.some((text) => text.includes(signs[slow])),
      slow,
    );
  for (const name of names) assert.match(name, /^(?:node:|sluice(?:\/|$))/);
});

test("the entry for hosts without node: modules imports nothing at all", () => {
  const { files, names } = importsOf(new URL("dist/lib/portable.js", root));
  assert.is(files.size, 1);
  assert.equal([...names], []);
});

test.run();
