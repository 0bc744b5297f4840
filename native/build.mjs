// Builds dist/native/<platform>/libsluice.so. Run after tsc: node native/build.mjs [--target linux-arm64]
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { cFlags, filesIn, findCommand, findCompiler, isFresh, root } from "./toolchain.mjs";

const targets = {
  "linux-x64": { cross: "x86_64-linux-gnu-gcc", machineFlags: [] },
  // GCC's outlined atomics live in libgcc, which the library does not link.
  "linux-arm64": { cross: "aarch64-linux-gnu-gcc", machineFlags: ["-mno-outline-atomics"] },
};

const libraryFlags = [
  "-O2",
  "-g0",
  "-fPIC",
  "-shared",
  "-fvisibility=hidden",
  `-ffile-prefix-map=${root}=`,
  // glibc and musl alike: nothing is linked by name, and glibc's checked variants are not asked for.
  "-nostdlib",
  "-U_FORTIFY_SOURCE",
  // Engine threads outlive dlclose(): the code must stay mapped.
  "-Wl,-z,nodelete",
  "-Wl,-z,relro,-z,now",
  "-Wl,-s",
];

const host = `${process.platform}-${process.arch}`;
const { values } = parseArgs({ options: { target: { type: "string", default: host } } });

/** Ends the build without a library: the package works, by its portable path. */
function without(reason) {
  console.log(`native: ${reason}; on ${values.target} sluice will take its portable path`);
  process.exit(0);
}

function run(command, args) {
  const { status, stdout, error } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, LC_ALL: "C" },
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with ${status}`);
  return stdout;
}

/** The library must need nothing by name and export the functions of core/abi/abi.ts, no more and no less. */
async function verify(library) {
  const readelf = findCommand(["readelf", "llvm-readelf"]);
  if (readelf === undefined) return;
  const [command] = readelf;
  if (/\(NEEDED\)/.test(run(command, ["-d", "-W", library])))
    throw new Error(`${library} needs another library by name`);
  // Columns: number, value, size, type, binding, visibility, section, name.
  const rows = run(command, ["--dyn-syms", "-W", library])
    .split("\n")
    .map((row) => row.trim().split(/\s+/));
  const exported = rows.filter((row) => row[4] === "GLOBAL" && row[6] !== "UND").map((row) => row[7]);
  const names = new Set(exported);
  const { symbols } = await import("../dist/modules/core/abi/abi.js");
  const missing = Object.keys(symbols).filter((name) => !names.has(name));
  const extra = [...names].filter((name) => !(name in symbols));
  if (missing.length > 0) throw new Error(`${library} lacks ${missing.join(", ")}`);
  if (extra.length > 0) throw new Error(`${library} also exports ${extra.join(", ")}`);
}

const target = targets[values.target];
if (process.platform !== "linux") without(`the library is for Linux, this is ${process.platform}`);
if (target === undefined) without("there is no library for it");

await import("./header.mjs");

const output = `dist/native/${values.target}/libsluice.so`;
const sources = filesIn("native/src", ".c");
const inputs = [
  "native/src",
  "native/build.mjs",
  "native/toolchain.mjs",
  "native/include/sluice.h",
  ...filesIn("native/src", ".c", ".h"),
];
if (isFresh(output, inputs)) process.exit(0);

const compiler = values.target === host ? findCompiler() : findCommand([target.cross]);
if (compiler === undefined) {
  without(`no C compiler (${values.target === host ? "$CC, cc, gcc or clang" : target.cross})`);
}

// Renamed into place: a process that has the old library mapped keeps it whole, and no package carries half of one.
const draft = `build/native/${values.target}.${process.pid}.so`;
for (const folder of ["build/native", `dist/native/${values.target}`])
  mkdirSync(new URL(`../${folder}`, import.meta.url), { recursive: true });
try {
  const [command, ...words] = compiler;
  run(command, [...words, ...cFlags, ...libraryFlags, ...target.machineFlags, ...sources, "-o", draft]);
  await verify(draft);
  renameSync(new URL(`../${draft}`, import.meta.url), new URL(`../${output}`, import.meta.url));
} finally {
  rmSync(new URL(`../${draft}`, import.meta.url), { force: true });
}
