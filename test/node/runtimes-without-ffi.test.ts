/** What Deno's flags allow, and Bun without its library: the portable path with its reason, and never a prompt. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataFile, MiB } from "../contract/support/files.ts";
import { type Ended, runChild } from "../support/child.ts";
import { sha256 } from "../support/data.ts";
import { root } from "../support/root.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { served, servedFolder } from "./support/served.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("runtimes without FFI");

const script = fileURLToPath(new URL("support/send-once.js", import.meta.url));
const { path, content } = dataFile(tempFolder(), MiB + 1);
const library = join(root, `dist/native/${process.platform}-${process.arch}/libsluice.so`);
const timeoutMs = 20_000;

interface Told {
  readonly engine: { readonly available: boolean; readonly reason: string };
  readonly strategy: string;
  readonly sha256: string;
  readonly forced: string;
}

async function commandOf(name: "bun" | "deno"): Promise<readonly [string, ...string[]]> {
  const candidate = candidates.usual.find((one) => one.name === name);
  if (candidate === undefined) throw new Error(`There is no candidate ${name}`);
  const [program, ...options] = (await locate(candidate)).command;
  return [program, ...options.filter((option) => option !== "--allow-all")];
}

function told({ code, output, stdout }: Ended): Told {
  assert.is(code, 0, output);
  const line = stdout.split("\n").find((text) => text.startsWith("{"));
  assert.ok(line, output);
  return JSON.parse(line ?? "") as Told;
}

function assertPortable({ engine, strategy, sha256: sum, forced }: Told, reason: RegExp): void {
  assert.is(engine.available, false);
  assert.match(engine.reason, reason);
  assert.is(strategy, "portable");
  assert.is(sum, sha256(content));
  assert.is(forced, "ERR_SLUICE_UNSUPPORTED", "nothing forced is swapped for another");
}

function assertNative({ engine, strategy, sha256: sum }: Told): void {
  assert.is(engine.available, true, engine.reason);
  assert.is(strategy, "sendfile");
  assert.is(sum, sha256(content));
}

/** The flags that a program which sends the files of one folder over TCP needs, as narrow as they can be. */
const narrow = [`--allow-read=${dirname(path)}`, "--allow-net=127.0.0.1"];

const deno = async (flags: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Told> =>
  told(await runChild([...(await commandOf("deno")), ...flags, script, path], timeoutMs, { ...process.env, ...env }));

test("Deno without --allow-ffi takes the portable path and says why", async () => {
  assertPortable(await deno(["--no-prompt", ...narrow]), /--allow-ffi/);
});

test("Deno that may read everything, and call libraries, has the engine though /proc is not its own", async () => {
  assertNative(await deno(["--no-prompt", "--allow-read", "--allow-net=127.0.0.1", "--allow-ffi"]));
});

test("Deno with --deny-ffi takes the portable path and says why", async () => {
  assertPortable(await deno(["--no-prompt", ...narrow, "--allow-ffi", "--deny-ffi"]), /--allow-ffi/);
});

for (const [what, flag] of [
  ["the library alone", `--allow-ffi=${library}`],
  ["the folder of the libraries", `--allow-ffi=${join(root, "dist/native")}`],
  ["everything", "--allow-ffi"],
] as const)
  test(`Deno with --allow-ffi for ${what} is native`, async () => {
    assertNative(await deno(["--no-prompt", ...narrow, flag]));
  });

test("Deno with --allow-ffi for something else takes the portable path", async () => {
  assertPortable(await deno(["--no-prompt", ...narrow, `--allow-ffi=${path}`]), /--allow-ffi/);
});

test("Deno heeds SLUICE_LIBRARY where --allow-env lets it be read, and only there", async () => {
  const env = { SLUICE_LIBRARY: "/nonexistent/libsluice.so" };
  const flags = ["--no-prompt", ...narrow, "--allow-ffi"];
  assertPortable(await deno([...flags, "--allow-env=SLUICE_LIBRARY"], env), /\/nonexistent\/libsluice\.so/);
  assertNative(await deno(flags, env));
});

const quote = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;

for (const [what, flags] of [
  ["without --allow-ffi", narrow],
  ["with --allow-ffi", [...narrow, `--allow-ffi=${library}`]],
] as const)
  test(`Deno on a terminal prompts for nothing ${what}`, async () => {
    const command = [...(await commandOf("deno")), ...flags, script, path].map(quote).join(" ");
    // script(1) gives it a terminal; a prompt would wait there until the time-out.
    const ended = await runChild(["script", "-qec", command, "/dev/null"], timeoutMs);
    assert.not.ok(ended.timedOut, ended.output);
    assert.not.match(ended.output, /Allow\?|requests/);
    assert.is(told(ended).sha256, sha256(content));
  });

const serving = fileURLToPath(new URL("support/serve-paths.js", import.meta.url));

for (const [what, flags] of [
  ["without --allow-ffi", []],
  ["with --allow-ffi", [`--allow-ffi=${library}`]],
] as const)
  test(`Deno that may read one folder serves it, and nothing else, and asks no terminal ${what}`, async () => {
    const site = servedFolder();
    const allowed = [`--allow-read=${site}`, ...flags];
    const command = [...(await commandOf("deno")), ...allowed, serving, site, ...Object.keys(served)].map(quote);
    const { code, output, stdout } = await runChild(["script", "-qec", command.join(" "), "/dev/null"], timeoutMs);
    assert.is(code, 0, output);
    assert.equal(JSON.parse(stdout), served);
  });

const writing = fileURLToPath(new URL("support/write-once.js", import.meta.url));

for (const [what, flags] of [
  ["without --allow-ffi", []],
  ["with --allow-ffi", [`--allow-ffi=${library}`]],
] as const)
  for (const options of ["{}", '{"durable":true}'])
    test(`Deno that may write one file explains and makes it ${what}: ${options}`, async () => {
      const target = join(tempFolder(), "target");
      const allowed = [
        "--no-prompt",
        `--allow-read=${dirname(path)},${dirname(target)}`,
        `--allow-write=${target}`,
        ...flags,
      ];
      const { code, output, stdout } = await runChild(
        [...(await commandOf("deno")), ...allowed, writing, path, target, options],
        timeoutMs,
      );
      assert.is(code, 0, output);
      assert.equal(JSON.parse(stdout), { agree: true, bytes: content.length });
    });

test("Bun without its library takes the portable path and says why", async () => {
  const command = [...(await commandOf("bun")), script, path] as const;
  const env = { ...process.env, SLUICE_LIBRARY: "/nonexistent/libsluice.so" };
  assertPortable(told(await runChild(command, timeoutMs, env)), /\/nonexistent\/libsluice\.so/);
});

test("Bun with its library is native", async () => {
  assertNative(told(await runChild([...(await commandOf("bun")), script, path], timeoutMs)));
});

test.run();
