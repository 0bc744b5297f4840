/** Every command on every runtime: what it is for, how a signal ends it, and that it loads that runtime's FFI alone. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { basename, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes, sha256 } from "../support/data.ts";
import { candidates, locate, type Runtime } from "../support/runtimes.ts";
import { tempFile, tempFolder } from "../support/temp.ts";
import { settles, waitFor } from "../support/wait.ts";
import { cli, type CliEnd, main, parseJson, type RunningCli, startCli, startReceiverOn } from "./cli.ts";
import { childrenOf } from "./services.ts";

const runtimes = await Promise.all(candidates.usual.map((candidate) => locate(candidate)));
const data = randomBytes(300_000);
const source = tempFile(data);

/** What a test opens beside the command. */
const opened: (() => void)[] = [];

test.after.each(() => {
  for (const close of opened.splice(0)) close();
});

/** A server of the test's own on a port that the system chose. */
async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket.on("error", () => undefined));
    onConnection(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  opened.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  opened.push(() => socket.destroy());
  await once(
    socket.on("error", () => undefined),
    "connect",
  );
  return socket;
}

/** Starts a service and waits until it says where it listens. */
async function startListening(command: readonly string[], args: readonly string[]): Promise<[RunningCli, number]> {
  const running = startCli(args, { command });
  opened.push(() => running.child.kill("SIGKILL"));
  const place = /127\.0\.0\.1:(\d+)/;
  await waitFor("it to listen", () => running.child.exitCode !== null || place.test(running.stderr()));
  return [running, Number(place.exec(running.stderr())?.[1])];
}

const waits = { input: data.subarray(0, 1000), keepInputOpen: true } as const;

/** Commands that have begun to move bytes, and wait for more. */
const underWay: Readonly<Record<string, (command: readonly string[]) => Promise<RunningCli>>> = {
  copy: async (command) => startCli(["copy", "-", join(tempFolder(), "new")], { command, ...waits }),
  async send(command) {
    const port = await listen((socket) => socket.resume());
    return startCli(["send", "-", `127.0.0.1:${port}`], { command, ...waits });
  },
  async receive(command) {
    const receiver = await startReceiverOn({ command }, join(tempFolder(), "new"));
    const socket = await open(receiver.port);
    socket.write(waits.input);
    return receiver;
  },
  async serve(command) {
    const [serving, port] = await startListening(command, ["serve", tempFolder(), "--port", "0"]);
    const socket = await open(port);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "data");
    return serving;
  },
  async proxy(command) {
    const upstream = await listen((socket) => socket.write("hello"));
    const [proxying, port] = await startListening(command, ["proxy", "0", String(upstream), "--drain", "0"]);
    await once(await open(port), "data");
    return proxying;
  },
  ipc: async (command) => startCli(["ipc", source, "--rounds", "1000000"], { command }),
};

/** The exit code, or the signal that ended it. */
const howEnded = ({ code, signal }: CliEnd): number | string | undefined => signal ?? code;

const isService = (name: string): boolean => name === "serve" || name === "proxy";

const ends = { SIGINT: 130, SIGTERM: 143 } as const;

/** The libraries by which a process reaches the kernel. */
function librariesOf(pid: number): readonly string[] {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
  const found = [...maps.matchAll(/\/\S*(?:koffi[^/\s]*\.node|libsluice\.so)$/gm)].map(([path]) => path);
  return [...new Set(found)].map((path) => basename(path)).sort();
}

const expected = ({ name }: Runtime): readonly string[] =>
  name === "node" ? ["koffi.node", "libsluice.so"] : ["libsluice.so"];

/** The processes that move bytes: of `ipc` the two that it has started. */
const moversOf = (name: string, pid: number): readonly number[] => (name === "ipc" ? childrenOf(pid) : [pid]);

/** What has ended and nobody has asked for has no program. */
const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}/exe`);

for (const runtime of runtimes) {
  const { name, command } = runtime;
  const hasEngine = runtime.has.includes("engine");

  /** Starts a command, looks at what it has loaded, and ends it. */
  const interrupt = async (what: string, start: (typeof underWay)[string], signal: keyof typeof ends) => {
    const { child, ended, stderr } = await start(command);
    opened.push(() => child.kill("SIGKILL"));
    const movers = () => moversOf(what, child.pid ?? 0);
    const hasAll = (pids: readonly number[]) =>
      pids.length > 0 && pids.every((pid) => librariesOf(pid).includes("libsluice.so"));
    if (hasEngine) {
      await waitFor("the engine", () => child.exitCode !== null || hasAll(movers()));
      for (const pid of movers()) assert.equal(librariesOf(pid), expected(runtime));
    }
    const before = movers();
    child.kill(signal);
    assert.equal(howEnded(await ended), isService(what) ? 0 : ends[signal], stderr());
    if (!isService(what)) assert.match(stderr(), `sluice: Interrupted by ${signal}`);
    assert.ok(await settles(() => !before.some(isAlive)), "it left processes behind");
  };

  for (const [what, start] of Object.entries(underWay))
    test(`${what} has one FFI, and SIGINT and SIGTERM end it (${name})`, async () => {
      await Promise.all((["SIGINT", "SIGTERM"] as const).map((signal) => interrupt(what, start, signal)));
    });

  test(`copy, by the engine, and its report (${name})`, async () => {
    const to = join(tempFolder(), "copy");
    const end = await cli(["copy", source, to, "--json"], { command });
    assert.is(end.code, 0, end.stderr);
    const { bytes, strategy } = parseJson(end);
    assert.is(bytes, data.length);
    if (hasEngine) assert.is.not(strategy, "portable");
    assert.ok(readFileSync(to).equals(data));
  });

  test(`copy says in one line why it cannot, and exits 1 (${name})`, async () => {
    const missing = join(tempFolder(), "none");
    const end = await cli(["copy", missing, `${missing}.copy`], { command });
    assert.is(
      end.stderr,
      `sluice: Cannot copy ${missing} to ${missing}.copy: no such file or directory (ENOENT, ${missing})\n`,
    );
    assert.is(end.code, 1);
  });

  test(`send and receive (${name})`, async () => {
    const file = join(tempFolder(), "received");
    const receiver = await startReceiverOn({ command }, file, "--durable");
    const sent = await cli(["send", source, `127.0.0.1:${receiver.port}`], { command });
    assert.is(sent.code, 0, sent.stderr);
    assert.is((await receiver.ended).code, 0, receiver.stderr());
    assert.ok(readFileSync(file).equals(data));
  });

  test(`receive --resume keeps what came, and goes on from there (${name})`, async () => {
    const file = join(tempFolder(), "received");
    const first = await startReceiverOn({ command }, file, "--resume");
    const socket = await open(first.port);
    socket.write(data.subarray(0, 1000));
    await waitFor("it to arrive", () => readFileSync(`${file}.part`, { flag: "a+" }).length === 1000);
    socket.resetAndDestroy();
    assert.is((await first.ended).code, 1);
    const second = await startReceiverOn({ command }, file, "--resume");
    const sent = await cli(["send", source, `127.0.0.1:${second.port}`, "--offset", "1000"], { command });
    assert.is(sent.code, 0, sent.stderr);
    assert.is((await second.ended).code, 0, second.stderr());
    assert.ok(readFileSync(file).equals(data));
  });

  test(`ipc, in three ways (${name})`, async () => {
    const end = await cli(["ipc", source, "--rounds", "1", "--json"], { command });
    assert.is(end.code, 0, end.stderr);
    const { sha256: hash, methods } = parseJson(end) as { sha256: string; methods: { verified: boolean }[] };
    assert.is(hash, sha256(data));
    assert.equal(
      methods.map(({ verified }) => verified),
      [true, true, true],
    );
  });

  test(`explain, of kinds and of paths (${name})`, async () => {
    for (const [from, to] of [
      ["file", "tcp"],
      [source, "tcp"],
      [source, join(tempFolder(), "new")],
    ] as const) {
      const end = await cli(["explain", from, to], { command });
      assert.is(end.code, 0, end.stderr);
      assert.match(end.stdout.toString(), /Tried in this order[^]*KERNEL/);
    }
  });

  test(`doctor knows the runtime, and loads its FFI alone (${name})`, async () => {
    const findings = parseJson(await cli(["doctor", "--json"], { command }));
    assert.is((findings["system"] as { runtime: { name: string } }).runtime.name, name);
    if (!hasEngine) return;
    assert.ok((findings["engine"] as { available: boolean }).available);
    assert.equal(await librariesAtEnd(command, ["doctor"]), expected(runtime));
  });

  test(`--help and --version (${name})`, async () => {
    const help = await cli(["--help"], { command });
    assert.is(help.code, 0);
    for (const word of [...Object.keys(underWay), "explain", "doctor"]) assert.match(help.stdout.toString(), word);
    const version = await cli(["--version"], { command });
    assert.match(version.stdout.toString(), /^\d+\.\d+\.\d+\S*\n$/);
    assert.is((await cli(["--nonsense"], { command })).code, 2);
  });
}

/** What a command has loaded when it has something to say, and no room for that. */
async function librariesAtEnd([program = "", ...options]: readonly string[], args: readonly string[]) {
  const path = join(tempFolder(), "stdout");
  execFileSync("mkfifo", [path]);
  const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  fill(pipe);
  const stdout = openSync(path, "w");
  // What it tries on a file of its own stays behind when it is killed.
  const child = spawn(program, [...options, main, ...args], { cwd: tempFolder(), stdio: ["ignore", stdout, "ignore"] });
  const closed = once(child, "close");
  try {
    const { pid = 0 } = child;
    await waitFor("the engine", () => child.exitCode !== null || librariesOf(pid).includes("libsluice.so"));
    return librariesOf(pid);
  } finally {
    child.kill("SIGKILL");
    await closed;
    for (const fd of [stdout, pipe]) closeSync(fd);
  }
}

/** Writes into a pipe until there is no room for a byte. */
function fill(pipe: number): void {
  for (const size of [4096, 1])
    try {
      for (;;) writeSync(pipe, new Uint8Array(size));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    }
}

test.run();
