// Builds dist/native/<platform>/libsluice.so. Run after tsc: node native/build.mjs [--target linux-arm64]
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { filesIn, root } from "../.ci/build/files.mjs";
import { benchFlags, cFlags, compileAll, findCommand, findCompiler, link, testFlags } from "./toolchain.mjs";

const targets = {
  "linux-x64": { cross: "x86_64-linux-gnu-gcc", machineFlags: [] },
  // GCC's outlined atomics live in libgcc, which the library does not link.
  "linux-arm64": { cross: "aarch64-linux-gnu-gcc", machineFlags: ["-mno-outline-atomics"] },
};

const objectFlags = [
  "-O2",
  "-g0",
  "-fPIC",
  "-fvisibility=hidden",
  `-ffile-prefix-map=${root}=`,
  // glibc and musl alike: its checked variants are not asked for, and nothing is linked by name.
  "-U_FORTIFY_SOURCE",
];

const linkFlags = [
  "-shared",
  "-nostdlib",
  // Engine threads outlive dlclose(): the code must stay mapped.
  "-Wl,-z,nodelete",
  "-Wl,-z,relro,-z,now",
  "-Wl,-s",
];

const host = `${process.platform}-${process.arch}`;
const { values } = parseArgs({ options: { target: { type: "string", default: host } } });

const output = `dist/native/${values.target}/libsluice.so`;

/** Ends the build without making a library: the package works, by its portable path. */
function without(reason) {
  const then = existsSync(join(root, output))
    ? `${output} is left as it is`
    : `on ${values.target} sluice will take its portable path`;
  console.log(`native: ${reason}; ${then}`);
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

const compiler = values.target === host ? findCompiler() : findCommand([target.cross]);
if (compiler === undefined) {
  without(`no C compiler (${values.target === host ? "$CC, cc, gcc or clang" : target.cross})`);
}

const compile = [...compiler, ...cFlags, ...objectFlags, ...target.machineFlags];
const sources = filesIn(["native/src"], /\.c$/);

/** For editors: how each C file of the repository is compiled. */
function writeCommands() {
  const entries = (command, files) =>
    files.map((file) => ({ directory: root, file, arguments: [...command, "-c", file] }));
  const commands = [
    ...entries(compile, sources),
    ...entries([...compiler, ...cFlags, ...testFlags], filesIn(["native/test"], /\.c$/)),
    ...entries([...compiler, ...benchFlags], filesIn(["bench/c"], /\.c$/)),
  ];
  writeFileSync(join(root, "build/compile_commands.json"), `${JSON.stringify(commands, null, 2)}\n`);
}

const folder = `build/native/${values.target}`;
for (const each of [folder, `dist/native/${values.target}`]) mkdirSync(join(root, each), { recursive: true });
if (values.target === host) writeCommands();
const objects = await compileAll(compile, sources, folder);
if (objects === undefined) throw new Error("native/src does not compile");
const command = [...compiler, ...linkFlags];
if (!(await link(command, objects, output, `${folder}/libsluice.seal`, verify)))
  throw new Error(`${output} could not be linked`);
