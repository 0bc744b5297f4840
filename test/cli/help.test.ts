/** What is made from the same tree as --help: completions, by the shells themselves, and the manual page. */
import { execFile, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { root } from "../support/root.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { cli, main } from "./cli.ts";

const run = promisify(execFile);

/** A folder with `sluice` in it, for PATH, and a file to be completed. */
const folder = tempFolder();
const program = join(folder, "bin", "sluice");
mkdirSync(join(folder, "bin"));
mkdirSync(join(folder, "here"));
writeFileSync(join(folder, "here", "movie.mp4"), "");
writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
chmodSync(program, 0o755);
const env = {
  ...process.env,
  PATH: `${join(folder, "bin")}${delimiter}${process.env["PATH"]}`,
  HOME: folder,
  LC_ALL: "C.UTF-8",
};
const inside = { env, cwd: join(folder, "here") };

const has = (tool: string): boolean => spawnSync("sh", ["-c", `command -v ${tool}`]).status === 0;

function testWith(tool: string, name: string, body: () => Promise<void>): void {
  if (has(tool)) return void test(name, body);
  console.log(`skip ${name}: there is no ${tool}`);
  test.skip(name);
}

/** What a shell offers after a line. */
type Complete = (line: string) => Promise<readonly string[]>;

const words = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

/** The function that readline calls, with the words as readline cuts them. */
const byBash: Complete = async (line) => {
  const script = `
source <(sluice --completion bash)
[[ $(complete -p sluice) == *"-o default"* ]] || exit 3
COMP_LINE=$1 COMP_POINT=\${#1}
read -ra COMP_WORDS <<< "\${1//=/ = }"
[[ $1 == *[\\ ] ]] && COMP_WORDS+=("")
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_sluice
printf '%s\\n' "\${COMPREPLY[@]}"
`;
  return words((await run("bash", ["--norc", "-c", script, "bash", line], inside)).stdout);
};

/** An interactive shell in a pseudo-terminal: what it makes of a line and Tab. */
const byZsh = async (line: string): Promise<string> => {
  const script = `
zmodload zsh/zpty
zpty shell zsh -f -i
read_to() { local out= all=; while zpty -r shell out; do all+=$out; [[ $all == *$~1* ]] && break; done; REPLY=$all }
zpty -w shell 'PS1=; autoload -U compinit; compinit -u -D; source <(sluice --completion zsh); sluice() { print -r -- "GO""T:$*:" }; print REA""DY'
read_to READY
zpty -w shell "$1"$'\\t'
read_to 'GOT:*:'
print -r -- "\${\${REPLY##*GOT:}%%:*}"
`;
  return (await run("zsh", ["-f", "-c", script, "zsh", line], { ...inside, timeout: 30_000 })).stdout.trim();
};

/** fish answers for a line by itself. */
const byFish: Complete = async (line) => {
  const script = "sluice --completion fish | source; complete -C $argv[1]";
  const { stdout } = await run("fish", ["--no-config", "-c", script, line], inside);
  return words(stdout).map((found) => found.split("\t")[0] ?? "");
};

for (const [shell, complete] of [
  ["bash", byBash],
  ["fish", byFish],
] as const)
  testWith(shell, `${shell} completes commands, options, and the values that there are`, async () => {
    const sorted = async (line: string) => [...(await complete(line))].sort();
    assert.equal(await sorted("sluice se"), ["send", "serve"]);
    assert.equal(await sorted("sluice copy --no"), ["--no-clobber", "--no-overwrite"]);
    assert.equal(await sorted("sluice copy --reflink a"), ["always", "auto"]);
    assert.equal(await sorted("sluice proxy --balance=least"), [
      shell === "fish" ? "--balance=least-connections" : "least-connections",
    ]);
    assert.equal(await sorted("sluice --completion z"), ["zsh"]);
    assert.ok((await complete("sluice serve --")).includes("--hostname"));
    assert.not.ok((await complete("sluice serve --")).includes("--host"));
  });

testWith("zsh", "zsh completes commands, options, values and paths", async () => {
  for (const [line, whole] of [
    ["sluice exp", "explain"],
    ["sluice copy --no-c", "copy --no-clobber"],
    ["sluice copy --reflink alw", "copy --reflink always"],
    ["sluice proxy --balance=lea", "proxy --balance=least-connections"],
    ["sluice copy mov", "copy movie.mp4"],
  ] as const)
    assert.is(await byZsh(line), whole);
});

test("the manual page has every command and option of --help", async () => {
  const page = readFileSync(join(root, "dist/man/sluice.1"), "utf8");
  const text = page.replaceAll(String.raw`\-`, "-");
  for (const command of ["copy", "send", "receive", "serve", "proxy", "ipc", "explain", "doctor"]) {
    const { stdout } = await cli([command, "--help"]);
    const own = text.slice(text.indexOf(`\n.SS ${command}\n`)).split("\n.S")[1] ?? "";
    const options = stdout.toString().match(/^ {2}(?:-\w, )?--[\w-]+/gm) ?? [];
    assert.ok(options.length > 1);
    for (const option of options) assert.ok(own.includes(`\\fB${option.trim()}`), `${command} ${option}`);
  }
  assert.match(text, /^\\fBPORT\\fR$/m);
  assert.not.match(text, /^\.SS bench/m);
  assert.not.match(text, /[^\0-\x7f]/);
});

for (const [tool, args] of [
  ["mandoc", ["-T", "lint", "-W", "warning"]],
  ["groff", ["-man", "-Tutf8", "-ww", "-z"]],
] as const)
  testWith(tool, `${tool} has nothing against the manual page`, async () => {
    const { stdout, stderr } = spawnSync(tool, [...args, join(root, "dist/man/sluice.1")], { encoding: "utf8" });
    // Without a date the same sources make the same page.
    const said = `${stdout}${stderr}`.split("\n").filter((line) => line !== "" && !line.includes("missing date"));
    assert.equal(said, []);
  });

for (const candidate of candidates.usual) {
  const { name, command } = await locate(candidate);
  test(`--completion prints a script, and refuses other shells (${name})`, async () => {
    const { code, stdout, stderr } = await cli(["--completion", "bash"], { command });
    assert.equal([code, stderr], [0, ""]);
    assert.match(stdout.toString(), /^complete -o default -F _sluice sluice$/m);
    assert.is((await cli(["--completion", "csh"], { command })).code, 2);
  });
}

test.run();
