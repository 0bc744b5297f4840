/** The components at their bounds: full disks, limits, numbers beyond 2^53, no engine, Workers, and what they leave open. */
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { TransferError } from "sluice";
import { instantiateFallback, instantiatePlugin, wasiImports } from "sluice/wasi";
import { assert, test } from "../support/contract.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";
import { mountTmpfs } from "./support/limits.ts";

const makers = { fallback: instantiateFallback, plugin: instantiatePlugin } as const;
const names = ["fallback", "plugin"] as const;

function sourceFolder(size: number): { readonly folder: string; readonly content: Buffer } {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, size);
  fs.renameSync(path, join(folder, "a"));
  return { folder, content };
}

function failureOf(call: () => unknown): TransferError {
  try {
    call();
  } catch (error) {
    assert.instance(error, TransferError);
    return error as TransferError;
  }
  throw new Error("It was expected to fail");
}

for (const name of names)
  test(`wasi: a full disk tells ${name} ENOSPC, and how far it came`, { needs: ["root", "engine"] }, async () => {
    const { folder } = sourceFolder(8 * MiB);
    const full = mountTmpfs("4m");
    const roots = { "/data": { path: folder }, "/full": { path: full, write: true } };
    using guest = await makers[name]({ roots });
    const error = failureOf(() => guest.transfer("/data/a", "/full/b"));
    assert.is(error.code, "ENOSPC");
    assert.ok(error.bytesTransferred > 0);
    assert.is(error.bytesTransferred, fs.statSync(join(full, "b")).size);
    fs.unlinkSync(join(full, "b"));
    assert.is(failureOf(() => guest.copyFile("/data/a", "/full/b")).code, "ENOSPC");
    assert.equal(fs.readdirSync(full), []);
    assert.is(guest.transfer("/data/a", "/full/b", { length: MiB }).bytes, MiB, "the instance goes on");
  });

/** WASI has codes for files alone: what is a limit of the host's comes as the nearest of those. */
const limitCodes = {
  fallback: { bytes: "EDQUOT", fileBytes: "EFBIG" },
  plugin: { bytes: "ERR_SLUICE_LIMIT", fileBytes: "ERR_SLUICE_LIMIT" },
} as const;

for (const name of names)
  test(`wasi: limits bind ${name}, and closing it closes its files`, { needs: ["engine"], alone: true }, async () => {
    const { folder } = sourceFolder(3 * MiB);
    const roots = { "/data": { path: folder, write: true } };
    (await makers[name]({ roots })).close();
    const census = await takeFdCensus();
    const few = await makers[name]({ roots, limits: { bytes: 2 * MiB } });
    assert.is(failureOf(() => few.transfer("/data/a", "/data/b")).code, limitCodes[name].bytes);
    few.close();
    const small = await makers[name]({ roots, limits: { fileBytes: MiB } });
    assert.is(failureOf(() => small.copyFile("/data/a", "/data/c")).code, limitCodes[name].fileBytes);
    assert.is(small.transfer("/data/a", "/data/c", { length: MiB }).bytes, MiB);
    assert.equal(fs.readdirSync(folder).sort(), name === "plugin" ? ["a", "c"] : ["a", "b", "c"]);
    small.close();
    await census.assertUnchanged();
  });

interface Glue {
  readonly coreModules: Readonly<Record<string, readonly [number, number] | string>>;
  instantiate(coreModule: (name: string) => Promise<object>, imports: unknown): Promise<unknown>;
}

const { WebAssembly: wasm } = globalThis as unknown as {
  readonly WebAssembly: { compile(bytes: Uint8Array): Promise<object> };
};

/** An instance as jco makes it, with nothing of ours around it. */
async function bare<Exported>(name: string, imports: unknown): Promise<Exported> {
  // Switches on what Node 20 needs a flag for.
  (await instantiateFallback({ roots: {} })).close();
  const file = new URL(import.meta.resolve(`sluice/wasm/${name}.wasm`));
  const bytes = fs.readFileSync(file);
  const { coreModules, instantiate } = (await import(new URL(`${name}.js`, file).href)) as Glue;
  const coreModule = (part: string) => {
    const place = coreModules[part] ?? "";
    return wasm.compile(
      typeof place === "string" ? Buffer.from(place, "base64") : bytes.subarray(place[0], place[0] + place[1]),
    );
  };
  return (await instantiate(coreModule, imports)) as Exported;
}

interface Exports {
  readonly transfer: {
    transfer(source: string, target: string, options: Readonly<Record<string, unknown>>): { readonly bytes: bigint };
  };
}

test("wasi: numbers beyond 2^53 are answered by the guests themselves", { needs: ["engine"] }, async () => {
  const { folder } = sourceFolder(1000);
  const roots = { "/data": { path: folder, write: true } };
  for (const name of names) {
    using host = wasiImports({ roots, lend: name === "plugin" ? "engine" : "nothing" });
    const { transfer } = await bare<Exports>(name, host.imports);
    const plain = { offset: 0n, length: undefined, targetOffset: undefined, strategies: [] };
    for (const absurd of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])
      for (const option of ["offset", "length", "targetOffset"]) {
        let tag: unknown;
        try {
          transfer.transfer("/data/a", "/data/b", { ...plain, [option]: absurd });
        } catch (error) {
          const { payload = error } = error as { readonly payload?: unknown };
          tag = (payload as { readonly tag?: unknown }).tag;
        }
        assert.is(tag, "invalid-argument", `${name}: ${option} ${absurd}`);
      }
    assert.is(transfer.transfer("/data/a", "/data/b", plain).bytes, 1000n, "it has not trapped");
    fs.unlinkSync(join(folder, "b"));
  }
});

interface Command {
  readonly run: { run(): void };
}

test("wasi: the command copies, explains, tells of itself, and fails with a word", {}, async () => {
  const { folder, content } = sourceFolder(MiB + 5);
  const command = async (...args: string[]) => {
    let output = "";
    const onOutput = (bytes: Uint8Array) => void (output += Buffer.from(bytes).toString());
    using host = wasiImports({ roots: { "/data": { path: folder, write: true } }, onOutput });
    const environment = { getEnvironment: () => [], getArguments: () => args, initialCwd: () => undefined };
    const { run } = await bare<Command>("command", { ...host.imports, "wasi:cli/environment": environment });
    let failed = false;
    try {
      run.run();
    } catch {
      failed = true;
    }
    return { output, failed };
  };
  const copied = await command("copy", "/data/a", "/data/b");
  assert.is(copied.failed, false, copied.output);
  assert.match(copied.output, new RegExp(`^${content.length} bytes by portable \\(copied: yes\\)`));
  assertBytes(fs.readFileSync(join(folder, "b")), content);
  assert.match((await command("sluice", "explain", "/data/a", "/data/c")).output, /portable:.*\n.*not /s);
  assert.match(
    (await command("doctor")).output,
    /engine: a WebAssembly component has no native engine\nfolders: \/data/,
  );
  for (const [args, told] of [
    [["copy", "/data/none", "/data/c"], /ENOENT/],
    [["copy", "/data/a"], /Usage/],
    [[], /Usage/],
  ] as const) {
    const { output, failed } = await command(...args);
    assert.ok(failed);
    assert.match(output, told);
  }
  assert.equal(fs.readdirSync(folder).sort(), ["a", "b"]);
});

test("wasi: without the engine paths are walked, and lead nowhere else", { alone: true }, async () => {
  process.env["SLUICE_DISABLE_NATIVE"] = "1";
  const outside = sourceFolder(100).folder;
  const { folder, content } = sourceFolder(2 * MiB);
  fs.mkdirSync(join(folder, "sub"));
  const links: Readonly<Record<string, string>> = {
    inner: "sub/../a",
    twice: "inner",
    up: "..",
    absolute: join(folder, "a"),
    out: `../${outside.split("/").at(-1)}/a`,
    loop: "loop",
    "sub/back": "../a",
  };
  for (const [name, to] of Object.entries(links)) fs.symlinkSync(to, join(folder, name));
  fs.symlinkSync("a", join(folder, "link0"));
  for (let step = 1; step <= 41; step++) fs.symlinkSync(`link${step - 1}`, join(folder, `link${step}`));
  const roots = { "/data": { path: folder, write: true } };
  (await instantiateFallback({ roots })).close();
  const census = await takeFdCensus();
  const guest = await instantiateFallback({ roots });
  for (const path of ["a", "inner", "twice", "sub/back", "sub/../a", "./sub/.././a", "link39"]) {
    assert.is(guest.transfer(`/data/${path}`, "/data/b").bytes, content.length, path);
    assertBytes(fs.readFileSync(join(folder, "b")), content);
  }
  const refused = {
    "../a": "EPERM",
    "sub/../../a": "EPERM",
    "up/a": "EPERM",
    absolute: "EPERM",
    out: "EPERM",
    loop: "ELOOP",
    link41: "ELOOP",
    "a/": "ENOTDIR",
    "a/b": "ENOTDIR",
    none: "ENOENT",
    sub: "EISDIR",
  } as const;
  for (const [path, code] of Object.entries(refused)) {
    assert.is(failureOf(() => guest.transfer(`/data/${path}`, "/data/x")).code, code, `from ${path}`);
    if (code === "EPERM")
      assert.is(failureOf(() => guest.transfer("/data/a", `/data/${path}`)).code, code, `to ${path}`);
  }
  assert.is(fs.existsSync(join(folder, "x")), false);
  guest.close();
  await census.assertUnchanged();
  const error = await instantiatePlugin({ roots }).catch((thrown: unknown) => thrown);
  assert.is((error as TransferError).code, "ERR_SLUICE_UNSUPPORTED");
});

test("wasi: both components run in a Worker", { needs: ["engine"] }, async () => {
  const { folder, content } = sourceFolder(2 * MiB + 1);
  const worker = new Worker(new URL("support/wasi-in-worker.js", import.meta.url), { workerData: { folder } });
  const [told] = await once(worker, "message");
  const exit = once(worker, "exit");
  assert.equal(told.slice(0, 3), [content.length, "portable", content.length]);
  for (const name of ["b", "c"]) assertBytes(fs.readFileSync(join(folder, name)), content);
  await exit;
});
