import { test } from "uvu";
import * as assert from "uvu/assert";
import { cli } from "./cli.ts";

const wrong: readonly (readonly string[])[] = [
  ["--nonsense"],
  ["copi", "a", "b"],
  ["copy", "only-one"],
  ["copy", "a", "b", "--sparse", "perhaps"],
  ["copy", "a", "-", "--json"],
  ["send", "file", "nowhere"],
  ["send", "file", "::1:80"],
  ["send", "file", "host:70000"],
  ["send", "file", "host:80", "--offset", "-1"],
  ["send", "file", "host:80", "--length", "9007199254740992"],
  ["send", "file", "host:80", "--strategy", "teleport"],
  ["receive", "http", "file"],
  ["explain", "floppy", "tcp"],
  ["serve", "--keep-alive-timeout", "soon"],
  ["proxy", "0", "80", "--accept-proxy", "10.0.0.0/33"],
];

for (const args of wrong)
  test(`sluice ${args.join(" ")} exits 2 with one line on stderr`, async () => {
    const end = await cli(args);
    assert.match(end.stderr, /^sluice: [^\n]+\n$/);
    assert.is(end.code, 2);
    assert.is(end.stdout.length, 0);
  });

test("--help names the commands and the exit codes", async () => {
  const end = await cli(["--help"]);
  assert.is(end.code, 0);
  for (const word of ["copy", "send", "receive", "explain", "doctor", "130", "143"])
    assert.match(end.stdout.toString(), word);
});

const seconds: readonly (readonly [command: string, option: string, byDefault: number])[] = [
  ["proxy", "--connect-timeout", 5],
  ["proxy", "--idle-timeout", 0],
  ["proxy", "--timeout", 0],
  ["proxy", "--drain", 10],
  ["serve", "--keep-alive-timeout", 75],
  ["serve", "--max-age", 0],
];

for (const [command, option, byDefault] of seconds)
  test(`${command} --help shows the default of ${option} in seconds`, async () => {
    const { stdout } = await cli([command, "--help"]);
    const text = stdout.toString().replace(/\s+/g, " ");
    const told = new RegExp(`${option} <seconds> [^]*?\\(default: (\\d+)\\)`).exec(text);
    assert.is(told?.[1], String(byDefault), text);
  });

test("--version prints the package's version", async () => {
  const end = await cli(["--version"]);
  assert.match(end.stdout.toString(), /^\d+\.\d+\.\d+\S*\n$/);
  assert.is(end.code, 0);
});

test("sluice without a command prints its help on stderr and exits 2", async () => {
  const end = await cli([]);
  assert.match(end.stderr, "Usage: sluice");
  assert.is(end.code, 2);
});

test.run();
