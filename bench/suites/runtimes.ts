/** One large resident file over TCP on every runtime: CPU time of transfer() beside the runtime's own best. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { candidates, locate } from "../../test/support/runtimes.ts";
import { helper, start, Unavailable } from "../support/helpers.ts";
import type { Cost } from "../support/meter.ts";
import { type Row, rowsOrReason, section } from "../support/rows.ts";
import { scratchFile } from "../support/scratch.ts";
import { alternate, median, pairedRatio } from "../support/stats.ts";
import type { Suite } from "./suite.ts";

const bytes = 2 ** 30;
const warmupBytes = 64 * 2 ** 20;

interface Rival {
  readonly name: string;
  readonly script: string;
  readonly method: string;
  readonly target?: number;
  /** What its reader is asked to fetch: it is an HTTP server. */
  readonly paths?: readonly string[];
}

interface Contest {
  /** The script in bench/runtimes that knows `transfer`. */
  readonly script: string;
  readonly rivals: readonly Rival[];
}

const contests: Readonly<Record<string, Contest>> = {
  node: {
    script: "node.js",
    rivals: [{ name: "pipeline(createReadStream, socket)", script: "node.js", method: "streams", target: 0.35 }],
  },
  deno: {
    script: "deno/send.js",
    rivals: [{ name: "file.readable.pipeTo(conn.writable)", script: "deno/send.js", method: "streams", target: 0.35 }],
  },
  bun: {
    script: "bun/send.js",
    rivals: [
      { name: "Bun.file().stream() to socket.write()", script: "bun/send.js", method: "streams" },
      {
        name: "Bun.serve with Bun.file",
        script: "bun/serve.js",
        method: "serve",
        target: 1.1,
        paths: ["/warmup", "/file", "/done"],
      },
    ],
  },
};

interface Program {
  readonly command: readonly [string, ...string[]];
  readonly version: string;
}

/** @throws Unavailable when the runtime is not installed */
async function find(name: string): Promise<Program> {
  const candidate = candidates.usual.find((one) => one.name === name);
  if (candidate === undefined) throw new Unavailable(`${name} is not among the runtimes under test`);
  const { command } = await locate(candidate).catch((cause: Error) => {
    throw new Unavailable(cause.message, { cause });
  });
  const { stdout } = await promisify(execFile)(command[0], ["--version"]);
  return { command, version: /\d+(\.\d+)+/.exec(stdout)?.[0] ?? "of unknown version" };
}

async function send({ command: [program, ...options] }: Program, entrant: Omit<Rival, "name">): Promise<Cost> {
  const files = [await scratchFile(warmupBytes), await scratchFile(bytes)];
  const script = fileURLToPath(new URL(`../runtimes/${entrant.script}`, import.meta.url));
  const sender = start(program, [...options, script, entrant.method, ...files]);
  const port = await sender.firstLine;
  const reader =
    entrant.paths === undefined
      ? start(await helper("reader"), [port, 1, warmupBytes, bytes].map(String))
      : start(await helper("http_reader"), [port, ...entrant.paths]);
  // Whichever fails leaves the other waiting for it.
  const ended = Promise.all([sender.output, reader.output]);
  const [output] = await ended.finally(() => [sender, reader].forEach((one) => one.process.kill("SIGKILL")));
  return JSON.parse(output.split("\n")[1] ?? "") as Cost;
}

async function measure(name: string, rounds: number, progress: (text: string) => void): Promise<Row[]> {
  const { script, rivals } = contests[name] ?? { script: "", rivals: [] };
  const program = await find(name);
  const entrants = Object.fromEntries(
    [{ name: "transfer()", script, method: "transfer" }, ...rivals].map((one) => [one.name, one]),
  );
  const runs = Object.fromEntries(
    Object.entries(entrants).map(([one, entrant]) => [one, () => send(program, entrant)]),
  );
  const samples = await alternate(runs, rounds, (one, round) =>
    progress(`1 GiB to a socket on ${name}: ${one}, round ${round + 1}`),
  );
  const cpu = (one: string) => (samples[one] ?? []).map(({ cpuNs }) => cpuNs / bytes);
  const rate = (one: string) => bytes / median((samples[one] ?? []).map(({ wallNs }) => wallNs));
  const told = (one: string) => `${median(cpu(one)).toFixed(3)} s/GB, ${rate(one).toFixed(2)} GB/s`;
  return rivals.map((rival) => ({
    question: `${name} ${program.version}: CPU of transfer() / ${rival.name}`,
    unit: "×",
    figure: pairedRatio(cpu("transfer()"), cpu(rival.name)),
    ...(rival.target !== undefined && { target: rival.target }),
    detail: `transfer() ${told("transfer()")}; the other ${told(rival.name)}`,
  }));
}

export const runtimes: Suite = async ({ rounds, progress }) => {
  const rows: Row[] = [];
  for (const name of Object.keys(contests))
    rows.push(...(await rowsOrReason(name, () => measure(name, rounds, progress))));
  return [section("1 GiB, resident, to a TCP socket, on each runtime", rows)];
};
