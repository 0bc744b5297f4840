// Checks the format of all C files, or writes it: node native/format.mjs [--write]
// One major version, Debian 12's: another one would have it otherwise.
import { spawnSync } from "node:child_process";
import { filesIn, root } from "../.ci/build/files.mjs";

const major = 14;
const names = [`clang-format-${major}`, "clang-format"];
const files = filesIn(["native/src", "native/test", "bench/c", "test"], /\.[ch]$/);

const found = names
  .map((name) => [name, spawnSync(name, ["--version"], { encoding: "utf8" }).stdout ?? ""])
  .map(([name, said]) => ({ name, version: / version (\d+)\S*/.exec(said) }))
  .filter(({ version }) => version !== null);
const formatter = found.find(({ version }) => Number(version[1]) === major);

if (formatter === undefined) {
  const others = found.map(({ name, version }) => `${name} is${version[0]}`).join(", ");
  if (others) console.error(`C: the format is that of clang-format ${major}, and ${others} (Debian: clang-format-14)`);
  else console.log("C: not checked, there is no clang-format (Debian: clang-format-14)");
  process.exit(others ? 1 : 0);
}
const mode = process.argv.includes("--write") ? ["-i"] : ["--dry-run", "--Werror"];
const { status } = spawnSync(formatter.name, ["--style=file", ...mode, ...files], { cwd: root, stdio: "inherit" });
process.exit(status === 0 ? 0 : 1);
