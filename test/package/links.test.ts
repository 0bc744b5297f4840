/** Links of the package lead somewhere: docs/ isn't in it, so that they are absolute, and lead to what the repository has. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { root } from "../support/root.ts";
import { pack, packFolder, type Packed } from "./package.ts";

const test = suite("links");

const { homepage, bugs, repository } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  readonly homepage: string;
  readonly bugs: string;
  readonly repository: { readonly url: string };
};
const address = homepage.replace(/#.*$/, "");
const pages = `${address}/blob/main/`;

/** What a text leads to: Markdown's links, with what its references stand for, and whatever else is an address of ours. */
function linksIn(text: string): Set<string> {
  const inline = [...text.matchAll(/\]\(([^)\s]+)\)/g)];
  const references = [...text.matchAll(/^\[[^\]]+\]: (\S+)$/gm)];
  const bare = [...text.matchAll(/https?:\/\/[^\s)\]"'`*]+/g)];
  return new Set([...inline, ...references, ...bare].map(([whole, link]) => (link ?? whole).replace(/[.,;:]+$/, "")));
}

/** Where a link of ours doesn't lead to a file, and why. */
function broken(link: string, from: string, files: readonly string[]): string | undefined {
  const [path = ""] = link.split("#");
  if (link.startsWith("#")) return undefined;
  if (!/^[a-z]+:/.test(link))
    return files.includes(join(dirname(from), path)) ? undefined : `${from}: ${link} is not in the package`;
  if (!path.startsWith(pages)) return undefined;
  return existsSync(join(root, path.slice(pages.length))) ? undefined : `${from}: there is no ${link}`;
}

test("homepage, repository and bugs are one address", () => {
  assert.is(repository.url, `git+${address}.git`);
  assert.is(bugs, `${address}/issues`);
});

test("the search finds the links of every form, and those that lead nowhere", () => {
  const text = `[a](docs/a.md) [b][b] ${pages}docs/c.md.\n\n[b]: ${pages}docs/ipc.md#layout\n`;
  const links = [...linksIn(text)];
  assert.equal(links.sort(), ["docs/a.md", `${pages}docs/c.md`, `${pages}docs/ipc.md#layout`].sort());
  assert.is(links.filter((link) => broken(link, "README.md", ["README.md"]) !== undefined).length, 2);
});

const packages: readonly (readonly [string, string, () => Promise<Packed>])[] = [
  ["sluice", root, pack],
  ["@sluice/wasi-components", join(root, "dist/wasm"), () => packFolder(join(root, "dist/wasm"))],
];

for (const [name, place, make] of packages)
  test(`documents and types of ${name} lead to what is there`, async () => {
    const { files } = await make();
    const readable = files.filter((path) => /\.(md|d\.ts)$/.test(path));
    assert.ok(readable.includes("README.md"));
    let found = 0;
    for (const path of readable) {
      const text = readFileSync(join(place, path), "utf8");
      const links = path.endsWith(".md")
        ? linksIn(text)
        : new Set([...linksIn(text)].filter((link) => /^https?:/.test(link)));
      found += [...links].filter((link) => link.startsWith(pages)).length;
      for (const link of links) assert.is(broken(link, path, files), undefined);
      // Not even in words: there is no such folder.
      if (path.endsWith(".d.ts"))
        for (const [mention] of text.matchAll(/[\w./:-]*\bdocs\/[\w-]+\.md/g))
          assert.ok(mention.startsWith(pages), `${path}: ${mention}`);
    }
    assert.ok(found > 0);
  });

test("the README begins with how to install it", () => {
  const [first] = /^```sh\n([^`]*)```$/m.exec(readFileSync(join(root, "README.md"), "utf8"))?.slice(1) ?? [];
  assert.is(first, "npm install sluice\n");
});

test.run();
