/** `sluice/wasi` where it is installed: without the components, which are a package of their own, and with them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataFile, MiB } from "../contract/support/files.ts";
import { root } from "../support/root.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { install, pack, packFolder, succeed } from "./package.ts";

const test = suite("components");

const sluice = await pack();
const components = await packFolder(join(root, "dist/wasm"));
const [without, both] = [await install(sluice.path), await install(sluice.path, components.path)];

const read = (path: string) =>
  JSON.parse(readFileSync(path, "utf8")) as {
    readonly name: string;
    readonly version: string;
    readonly peerDependencies: Readonly<Record<string, string>>;
  };

test("the tarball carries the components, with what runs them, their types, interfaces and licences", () => {
  const carried = components.files.filter((path) => !/^(types|wit)\//.test(path));
  const modules = ["fallback", "command", "plugin"].flatMap((name) => [`${name}.wasm`, `${name}.js`, `${name}.d.ts`]);
  const documents = ["LICENSE", "LICENSES.txt", "README.md", "package.json"];
  assert.equal(carried.sort(), [...modules, ...documents].sort());
  assert.ok(components.files.includes("wit/transfer.wit"));
});

test("both packages have one version, and sluice asks for that", () => {
  const [own, other] = [read(join(root, "package.json")), read(join(root, "dist/wasm/package.json"))];
  assert.is(other.version, own.version);
  assert.equal(own.peerDependencies, { [other.name]: `^${other.version}` });
});

const usage = `
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { instantiateFallback, instantiatePlugin } from "sluice/wasi";

const folder = process.argv[2];
const told = {};
for (const make of [instantiateFallback, instantiatePlugin]) {
  try {
    const guest = await make({ roots: { "/data": { path: folder, write: true } } });
    const { bytes, strategy } = guest.transfer("/data/source", "/data/" + make.name);
    guest.close();
    told[make.name] = { bytes: Number(bytes), strategy, same: readFileSync(join(folder, make.name)).equals(readFileSync(join(folder, "source"))) };
  } catch ({ name, code, message }) {
    told[make.name] = { name, code, message };
  }
}
console.log(JSON.stringify(told));
process.exit();
`;

async function tell(command: readonly [string, ...string[]], folder: string) {
  const script = join(folder, "guests.js");
  writeFileSync(script, usage);
  const data = tempFolder();
  const { content } = dataFile(data, MiB + 1);
  writeFileSync(join(data, "source"), content);
  const { stdout } = await succeed(...command, script, data);
  return JSON.parse(stdout) as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

for (const candidate of candidates.usual) {
  const { command, name: runtime } = await locate(candidate);

  test(`without the components one error says what to install (${runtime})`, async () => {
    const told = await tell(command, without);
    for (const [guest, component] of [
      ["instantiateFallback", "fallback"],
      ["instantiatePlugin", "plugin"],
    ] as const) {
      const { name, code, message } = told[guest] ?? {};
      assert.equal([name, code], ["TransferError", "ERR_SLUICE_UNSUPPORTED"], String(message));
      assert.match(
        String(message),
        new RegExp(`Cannot instantiate ${component}: .*npm install @sluice/wasi-components$`),
      );
    }
  });

  test(`the components are found by their name, and copy a file (${runtime})`, async () => {
    const { instantiateFallback: fallback, instantiatePlugin: plugin } = await tell(command, both);
    assert.equal(fallback, { bytes: MiB + 1, strategy: "portable", same: true });
    assert.is.not(plugin?.["strategy"], "portable");
    assert.equal([plugin?.["bytes"], plugin?.["same"]], [MiB + 1, true], JSON.stringify(plugin));
  });
}

test.run();
