/** What the command line has in common with others of its kind: names, PORT, ranges, pipes whose reader goes. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "../support/data.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { tempFile, tempFolder } from "../support/temp.ts";
import { settles, waitFor } from "../support/wait.ts";
import { cli, main, parseJson, type RunningCli, startCli } from "./cli.ts";

const opened: RunningCli[] = [];

test.after.each(async () => {
  for (const { child, ended } of opened.splice(0)) {
    child.kill("SIGKILL");
    await ended;
  }
});

/** Starts a service and waits for what it says at the start. */
async function start(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  command?: readonly string[],
): Promise<RunningCli> {
  const running = startCli(args, { env: { ...process.env, ...env }, ...(command && { command }) });
  opened.push(running);
  await waitFor("it to listen", () => running.child.exitCode !== null || /127\.0\.0\.1:\d+/.test(running.stderr()));
  return running;
}

const far = /^sluice: [^\n]*Port 99999 is out of range: a port is a number from 0 to 65535\.\n$/;
const beyond: readonly (readonly string[])[] = [
  ["send", "file", "example.org:99999"],
  ["send", "file", "[::1]:99999"],
  ["receive", "99999", "file"],
  ["serve", "--port", "99999"],
  ["serve", "--metrics-port", "99999"],
  ["proxy", "99999", "80"],
  ["proxy", "0", "127.0.0.1:80,db:99999"],
];

for (const args of beyond)
  test(`sluice ${args.join(" ")} says what is out of range`, async () => {
    const end = await cli(args);
    assert.match(end.stderr, far);
    assert.is(end.code, 2);
  });

test("send to port 0 is wrong usage", async () => {
  const end = await cli(["send", "file", "example.org:0"]);
  assert.match(end.stderr, "Nothing can be reached at port 0");
  assert.is(end.code, 2);
});

/** How two numbers that a process prints compare to their rounded selves. */
const isRounded = (value: number): boolean => Math.round(value * 1000) / 1000 === value;

function numbersOf(value: unknown): number[] {
  if (typeof value === "number") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(numbersOf) : [];
}

test("--json has no number with more than three decimals", async () => {
  const source = tempFile(randomBytes(5000));
  const reports = [
    ["copy", source, join(tempFolder(), "copy"), "--json"],
    ["ipc", source, "--rounds", "2", "--json"],
    ["explain", "file", "tcp", "--json"],
  ];
  for (const args of reports) {
    const numbers = numbersOf(parseJson(await cli(args)));
    assert.ok(numbers.length > 0);
    for (const value of numbers) assert.ok(isRounded(value), `${args[0]}: ${value}`);
  }
});

for (const candidate of candidates.usual) {
  const { name, command } = await locate(candidate);

  test(`serve listens where PORT says, unless --port does (${name})`, async () => {
    // 0, so that no other program's port is asked for: by default it would be 8080.
    const byPort = await start(["serve", tempFolder()], { PORT: "0" }, command);
    assert.not.match(byPort.stderr(), /:8080\b/);
    assert.match(byPort.stderr(), /^Serving [^\n]* on http:\/\/127\.0\.0\.1:\d+\//);
    const asked = await start(["serve", tempFolder(), "--port", "0"], { PORT: "no port" }, command);
    assert.match(asked.stderr(), /^Serving /);
  });

  test(`serve refuses a PORT that is none (${name})`, async () => {
    for (const port of ["99999", "http"]) {
      const end = await cli(["serve", tempFolder()], { command, env: { ...process.env, PORT: port } });
      assert.match(end.stderr, `'${port}' from env 'PORT'`);
      assert.is(end.code, 2);
    }
  });

  test(`what is printed ends quietly with 141 when its reader goes (${name})`, async () => {
    for (const args of ["--help", "doctor", "explain file tcp"]) {
      const script = `{ sleep 0.1; "$@" ${args}; echo $? >&2; } | true`;
      const { stderr } = await promisify(execFile)("bash", ["-c", script, "bash", ...command, main]);
      assert.is(stderr, "141\n", args);
    }
  });

  for (const [what, script] of [
    ["a file to -", '"$@" copy "$FILE" -'],
    ["a file to /dev/stdout", '"$@" copy "$FILE" /dev/stdout'],
    ["standard input to -", 'cat "$FILE" 2>&- | "$@" copy - -'],
  ] as const)
    test(`copy of ${what} ends quietly with 141 when its reader goes, as cat does (${name})`, async () => {
      const shell = ["-c", `{ ${script}; echo $? >&2; } | head -c 5 >/dev/null`, "bash", ...command, main];
      const env = { ...process.env, FILE: tempFile(randomBytes(3_000_000)) };
      const { stderr } = await promisify(execFile)("bash", shell, { env });
      assert.is(stderr, "141\n");
    });
}

test("receive to - ends quietly with 141 when its reader goes", async () => {
  const running = startCli(["receive", "0", "-", "--hostname", "127.0.0.1"]);
  opened.push(running);
  const place = /Listening on 127\.0\.0\.1:(\d+)\n/;
  await waitFor("it to listen", () => place.test(running.stderr()));
  const port = place.exec(running.stderr())?.[1];
  running.child.stdout?.destroy();
  const sender = startCli(["send", tempFile(randomBytes(3_000_000)), `127.0.0.1:${port}`]);
  assert.is((await sender.ended).code, 1);
  const end = await running.ended;
  assert.is(end.code, 141);
  assert.is(end.stderr.replace(place, ""), "");
});

test("proxy says nothing about descriptors unless it was asked for a number of connections", async () => {
  const said = async (...options: string[]) => {
    const low = ["prlimit", "--nofile=300:300", "setpriv", "--bounding-set=-sys_resource", "--inh-caps=-all"];
    const isRoot = process.getuid?.() === 0;
    const command = [...(isRoot ? low : low.slice(0, 2)), process.execPath];
    const running = await start(["proxy", "0", "127.0.0.1:1", ...options], {}, command);
    return running.stderr();
  };
  assert.match(await said(), /^Proxying [^\n]*\n$/);
  assert.match(await said("--max-connections", "500"), /^300 descriptors allowed, enough for about 22 connections/);
});

const former: readonly (readonly string[])[] = [
  ["serve", "--port", "0", "--host", "127.0.0.1", "--cache", "60", "--json-log"],
  ["serve", "--port", "0", "--hostname", "127.0.0.1", "--max-age", "60", "--log-format", "json"],
];

for (const [command = "", ...options] of former)
  test(`serve ${options.slice(2).join(" ")} means the same by its old and its new names`, async () => {
    const folder = tempFolder();
    const running = await start([command, folder, ...options, "--metrics-port", "0"], {});
    const out: Buffer[] = [];
    running.child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    const text = () => Buffer.concat(out).toString();
    const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(running.stderr())?.[0];
    assert.is((await fetch(`${url}none`)).status, 404);
    assert.ok(await settles(() => text().endsWith("\n")), "no line in the log");
    const line = JSON.parse(text()) as Readonly<Record<string, unknown>>;
    assert.is(line["status"], 404);
    assert.ok(isRounded(Number(line["durationMs"])), text());
  });

test("--help shows no former name", async () => {
  for (const command of ["serve", "proxy", "receive"]) {
    const { stdout } = await cli([command, "--help"]);
    assert.not.match(stdout.toString(), /--(?:host|json-log|metrics-host) /);
  }
  const { stdout } = await cli(["serve", "--help"]);
  assert.not.match(stdout.toString(), /--cache/);
});

test("--json-log is refused beside --quiet, as --log-format is", async () => {
  const end = await cli(["serve", "--quiet", "--json-log"]);
  assert.is(end.code, 2);
  assert.match(end.stderr, "cannot be used with");
});

test.run();
