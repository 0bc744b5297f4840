/** One library for every C library: the same file loads in programs of glibc and musl, and another in arm64 ones. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runs } from "../support/programs.ts";
import { root } from "../support/root.ts";
import { tempFolder } from "../support/temp.ts";
import { buildForArm64, succeed } from "./package.ts";

const test = suite("library");

/** A sort of program, how it is built, and what runs it. */
interface Build {
  readonly what: string;
  readonly platform: string;
  readonly compiler: string;
  readonly emulator?: readonly [string, ...string[]];
}

const builds: readonly Build[] = [
  { what: "a program of the C library that is here", platform: `linux-${process.arch}`, compiler: "cc" },
  { what: "a musl program", platform: `linux-${process.arch}`, compiler: "musl-gcc" },
  {
    what: "an arm64 program, emulated",
    platform: "linux-arm64",
    compiler: "aarch64-linux-gnu-gcc",
    emulator: ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
  },
];

const mechanisms = ["sendfile", "splice", "mapped", "buffered", "buffered between files", "copyFileRange"];

async function lack({ compiler, emulator }: Build): Promise<string | undefined> {
  for (const program of [compiler, ...(emulator ?? []).slice(0, 1)])
    if (!(await runs(program))) return `there is no ${program}`;
  return undefined;
}

await buildForArm64();
for (const build of builds) {
  const { what, platform, compiler, emulator = [] } = build;
  const name = `the library for ${platform} loads in ${what} and moves every byte`;
  const missing = await lack(build);
  if (missing !== undefined) {
    console.log(`skip ${name}: ${missing}`);
    test.skip(name);
    continue;
  }
  test(name, async () => {
    const library = join(root, "dist/native", platform, "libsluice.so");
    assert.ok(existsSync(library), `${library} was not built`);
    const program = join(tempFolder(), "load");
    const flags = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", `-I${join(root, "native/include")}`];
    await succeed(compiler, ...flags, join(root, "test/package/load.c"), "-o", program);
    const [first, ...rest] = [...emulator, program];
    const { stdout } = await succeed(first ?? program, ...rest, library);
    assert.equal(stdout.trim().split("\n"), mechanisms);
  });
}

test.run();
