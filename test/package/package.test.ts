/** The packed tarball: what is in it, and that it works where it is installed. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { symbols } from "#core/abi/abi.js";
import { dataFile, MiB } from "../contract/support/files.ts";
import { runChild } from "../support/child.ts";
import { sha256 } from "../support/data.ts";
import { root } from "../support/root.ts";
import { candidates, home, locate } from "../support/runtimes.ts";
import { borrowTypes, buildForArm64, install, pack, succeed } from "./package.ts";

const test = suite("package");

await buildForArm64();
const tarball = await pack();
const folder = await install(tarball.path);
const installed = join(folder, "node_modules/sluice");

const tool = (path: string, ...args: string[]) =>
  runChild([...home.command, join(root, "node_modules", path), ...args], 120_000);

for (const platform of ["linux-x64", "linux-arm64"]) {
  const path = `dist/native/${platform}/libsluice.so`;
  const name = `the tarball carries the library for ${platform}`;
  if (existsSync(join(root, path))) {
    test(name, () => assert.ok(tarball.files.includes(path)));
  } else {
    console.log(`skip ${name}: there is no compiler for it`);
    test.skip(name);
  }
}

test("the tarball carries the documents, the bundled modules and their types, and nothing else", () => {
  const rest = tarball.files.filter(
    (path) => !/^dist\/(?:lib\/.+\.js|lib\/shared\/require\.cjs|modules\/(?:core|lib|adapters)\/.+\.d\.ts)$/.test(path),
  );
  const documents = [
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "dist/lib/cli/LICENSES.txt",
    "dist/man/sluice.1",
    "package.json",
  ];
  assert.equal(rest.filter((path) => !/^dist\/(?:native|wasm)\//.test(path)).sort(), documents);
  for (const path of tarball.files) assert.not.match(path, /(^|\/)(test|bench|examples?)\//m);
});

test("of the components the tarball carries the interfaces and the types alone", () => {
  const carried = tarball.files.filter((path) => path.startsWith("dist/wasm/"));
  assert.ok(carried.includes("dist/wasm/wit/transfer.wit"));
  for (const path of carried) assert.match(path, /^dist\/wasm\/(?:types\/.+\.d\.ts|wit\/.+\.wit)$/);
});

/** Bytes of the files beneath a folder. */
const weigh = (place: string): number =>
  readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((bytes, { parentPath, name }) => bytes + statSync(join(parentPath, name)).size, 0);

test("an installation is at most ten packages, and 1.5 MB of ours", () => {
  const lock = JSON.parse(readFileSync(join(folder, "node_modules/.package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, unknown>>;
  };
  const packages = Object.keys(lock.packages);
  assert.ok(packages.includes("node_modules/koffi"));
  assert.ok(packages.length <= 10, packages.join(" "));
  const bytes = weigh(installed);
  console.log(`${packages.length} packages, ${bytes} bytes of ours`);
  assert.ok(bytes <= 1.5e6, `${bytes} bytes`);
});

test("no file of the tarball names the machine that it was made on", () => {
  const place = root.replace(/\/$/, "");
  for (const path of tarball.files) assert.not.ok(readFileSync(join(installed, path)).includes(place), path);
});

const usage = `
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import process from "node:process";
import { capabilities, copyFile, transfer } from "sluice";

const [source, copy] = process.argv.slice(2);
const reports = [];
const server = createServer(async (socket) => {
  reports.push(await transfer(source, socket));
  socket.end();
  server.close();
}).listen(0, "127.0.0.1");
await once(server, "listening");
const hash = createHash("sha256");
for await (const chunk of connect(server.address().port, "127.0.0.1")) hash.update(chunk);
reports.push(await copyFile(source, copy));
console.log(JSON.stringify({
  engine: capabilities().engine,
  strategies: reports.map(({ strategy }) => strategy),
  received: hash.digest("hex"),
  copied: readFileSync(copy).equals(readFileSync(source)),
}));
`;

for (const candidate of candidates.usual)
  test(`the installed package sends and copies a file on ${candidate.name}`, async () => {
    const { command, name } = await locate(candidate);
    const script = join(folder, "use.js");
    const { path: source, content } = dataFile(folder, 3 * MiB + 1);
    writeFileSync(script, usage);
    const { stdout } = await succeed(...command, script, source, join(folder, `copy-${name}`));
    const { engine, strategies, received, copied } = JSON.parse(stdout);
    assert.ok(engine.available, engine.reason);
    assert.is(strategies[0], "sendfile");
    assert.is.not(strategies[1], "portable");
    assert.is(received, sha256(content));
    assert.ok(copied);
  });

test("the bundled modules are ASCII, without the comments of the C header", () => {
  const comment = Object.values(symbols).map(({ doc }) => doc);
  const modules = tarball.files.filter((name) => /^dist\/lib\/.*\.js$/.test(name));
  assert.ok(modules.length > 20);
  for (const name of modules) {
    const code = readFileSync(join(installed, name), "utf8");
    assert.not.match(code, /[^\0-\x7f]/, name);
    assert.is(
      comment.find((text) => code.includes(text)),
      undefined,
      name,
    );
  }
});

for (const candidate of candidates.usual)
  test(`the installed command copies a file and says what the machine can do on ${candidate.name}`, async () => {
    const { command: runtime, name } = await locate(candidate);
    const command = [...runtime, join(folder, "node_modules/.bin/sluice")] as const;
    const [source, target] = [join(installed, "LICENSE"), join(folder, `command-copy-${name}`)];
    await succeed(...command, "copy", source, target);
    assert.equal(readFileSync(target), readFileSync(source));
    const { output } = await succeed(...command, "doctor");
    assert.match(output, /sendfile/);
    assert.match(output, join(installed, "dist/native"));
  });

for (const candidate of candidates.usual)
  test(`the installed command has no benchmark to offer on ${candidate.name}`, async () => {
    const { command: runtime } = await locate(candidate);
    const command = [...runtime, join(folder, "node_modules/.bin/sluice")] as const;
    assert.not.match((await succeed(...command, "--help")).output, "bench");
    const { code, output } = await runChild([...command, "bench"], 120_000);
    assert.is(code, 1, output);
    assert.match(output, /^sluice: Cannot measure: the benchmark needs Sluice's repository[^\n]*\n$/);
  });

const consumer = `
import { createServer, type Socket } from "node:net";
import {
  type CapabilityReport, capabilities, copyFile, type CopyOptions, type Explanation, explain, type Report, type Source,
  type Strategy, type Target, transfer, TransferError, type TransferOptions,
} from "sluice";

const strategy: Strategy = "sendfile";
const options: TransferOptions = { offset: 1, length: 2n, strategy, signal: AbortSignal.timeout(1000) };
const source: Source = new URL("file:///movie.mp4");
createServer(async (socket: Socket) => {
  const target: Target = socket;
  const report: Report = await transfer(source, target, options);
  const bytes: number = report.bytes;
  const plan: Explanation = await explain(source, target);
  const machine: CapabilityReport = capabilities();
  console.log(bytes, plan, machine.engine.available);
});
const copying: CopyOptions = { overwrite: false };
copyFile("a", "b", copying).catch((error: unknown) => {
  if (error instanceof TransferError) console.log(error.code, error.bytesTransferred);
});
// @ts-expect-error A strategy that does not exist.
await transfer("a", "b", { strategy: "teleport" });
// @ts-expect-error A target that is none.
await transfer("a", true);
`;

test("the installed types serve a strict NodeNext program, none of them unchecked", async () => {
  borrowTypes(folder, "node");
  writeFileSync(join(folder, "consumer.ts"), consumer);
  const settings = {
    strict: true,
    target: "ES2022",
    module: "NodeNext",
    skipLibCheck: false,
    noEmit: true,
    types: ["node"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: settings, files: ["consumer.ts"] }));
  const { code, output } = await tool("typescript/bin/tsc", "--project", folder);
  assert.is(code, 0, output);
});

test("publint has nothing to say", async () => {
  const { code, output } = await tool("publint/src/cli.js", "run", tarball.path, "--strict");
  assert.is(code, 0, output);
  assert.match(output, /All good/);
});

test("the types are not wrong", async () => {
  // Bundlers are told of no runtime, and have but the first entry then: types.test.ts looks at each condition.
  const options = ["--profile", "esm-only", "--no-color", "--ignore-rules", "no-resolution"];
  const { code, output } = await tool("@arethetypeswrong/cli/dist/index.js", tarball.path, ...options);
  assert.is(code, 0, output);
});

test.run();
