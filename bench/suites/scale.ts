/** Ten thousand connections in one process: what each holds, and what is left for the one that is active. */
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { scratchFolder, writePayload } from "../support/files.ts";
import { type Holdings, holdings } from "../support/meter.ts";
import { helper, orReason, type Running, start } from "../support/programs.ts";
import { haproxy, pipe, startHaproxy, startPipe } from "../support/proxies.ts";
import { type Row, rowsOrReason, section, type Suite } from "../support/rows.ts";
import { answering, commandLine, freePort } from "../support/servers.ts";
import { figure } from "../support/stats.ts";
import { slowClients } from "../support/web.ts";

const connections = 10_000;
/** What a process has open besides connections. */
const reserve = 512;
const proxying = "sluice proxy";
const serving = "sluice serve";

/** As many as the limit on open files lets one process have, which children inherit. */
function allowed(descriptorsEach: number): number {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ?? Infinity);
  return Math.min(connections, Math.floor((limit - reserve) / descriptorsEach));
}

/** A process under measurement. */
interface Measured {
  readonly port: number;
  readonly pid: number;
  /** Resolves when it has ended; to milliseconds, where its end is of interest. */
  stop(): Promise<number | void>;
}

/** A command of the command line as it is: no collection of garbage is asked for. */
async function startCommand(argsFor: (port: number) => readonly string[]): Promise<Measured> {
  const port = await freePort();
  const running = start(process.execPath, [commandLine, ...argsFor(port)]);
  const early = running.output.then((): never => {
    throw new Error("It ended before its time");
  });
  early.catch(() => {});
  await answering(port, early);
  const { pid } = running.process;
  if (pid === undefined) throw new Error("It has no process");
  return {
    port,
    pid,
    async stop() {
      const startMs = performance.now();
      running.process.kill("SIGTERM");
      // Rejects where its exit code is not 0.
      await running.output;
      return performance.now() - startMs;
    },
  };
}

const drainSeconds = 0.5;

const proxies: Readonly<Record<string, (upstream: number, most: number) => Promise<Measured>>> = {
  [proxying]: (upstream) =>
    startCommand((port) => {
      const ends = [`127.0.0.1:${port}`, `127.0.0.1:${upstream}`];
      return ["proxy", ...ends, "--quiet", "--max-connections", String(connections), "--drain", String(drainSeconds)];
    }),
  [haproxy]: (upstream, most) => startHaproxy(upstream, ["splice-auto"], { most: most + 10 }),
  [pipe]: startPipe,
};

interface ProxyFigures {
  readonly count: number;
  readonly before: Holdings;
  readonly idle: Holdings;
  /** Of the active connection: for 64 MiB there and back, and of the median round trip of a byte. */
  readonly alone: Active;
  readonly among: Active;
  /** A byte there and back on every connection. */
  readonly allMs: number;
  readonly endMs: number | void;
}

interface Active {
  readonly bulkNs: number;
  readonly roundNs: number;
}

/** Holds connections, and lets one of them be active several times. */
class Connections {
  readonly #running: Running;
  readonly #lines: AsyncIterator<string>;

  constructor(command: string, port: number, count: number) {
    this.#running = start(command, ["hold", String(port), String(count)]);
    const { stdout } = this.#running.process;
    if (stdout === null) throw new Error("The crowd has no output");
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async #line(): Promise<string> {
    const line = await this.#lines.next();
    // What it complained about.
    if (line.done === true) throw new Error(`The crowd has ended: ${await this.#running.output}`);
    return line.value;
  }

  async idle(): Promise<void> {
    await this.#line();
  }

  async active(rounds: number): Promise<Active> {
    const samples: Active[] = [];
    for (let i = 0; i < rounds; i++) {
      this.#running.process.stdin?.write("g");
      const [bulkNs = NaN, roundNs = NaN] = (await this.#line()).split(" ").map(Number);
      samples.push({ bulkNs, roundNs });
    }
    return {
      bulkNs: figure(samples.map(({ bulkNs }) => bulkNs)).median,
      roundNs: figure(samples.map(({ roundNs }) => roundNs)).median,
    };
  }

  /** Resolves to the milliseconds that a byte there and back on every connection took. */
  async all(): Promise<number> {
    this.#running.process.stdin?.end();
    return Number(await this.#line()) / 1e6;
  }

  kill(): void {
    this.#running.process.kill("SIGKILL");
  }
}

async function observeProxy(name: string, upstream: number, rounds: number): Promise<ProxyFigures> {
  const crowd = await helper("crowd");
  const count = allowed(2);
  const subject = await proxies[name]?.(upstream, count);
  if (subject === undefined) throw new Error(`There is no ${name}`);
  const one = new Connections(crowd, subject.port, 1);
  await one.idle();
  const alone = await one.active(rounds);
  await one.all();
  await sleep(200);
  const before = holdings(subject.pid);
  const many = new Connections(crowd, subject.port, count);
  await many.idle();
  await sleep(500);
  const idle = holdings(subject.pid);
  const among = await many.active(rounds);
  // The crowd leaves after that; what is left of the connections ends with the process.
  const allMs = await many.all();
  const endMs = await subject.stop();
  return { count, before, idle, alone, among, allMs, endMs };
}

const kibibytes = (bytes: number) => bytes / 1024;

function rowsOf(name: string, { count, before, idle, alone, among, allMs, endMs }: ProxyFigures): Row[] {
  const each = (what: keyof Holdings) => (idle[what] - before[what]) / count;
  const rate = ({ bulkNs }: Active) => `${((2 * 64 * 2 ** 20) / bulkNs).toFixed(2)} GB/s both ways together`;
  const micro = ({ roundNs }: Active) => `${(roundNs / 1e3).toFixed(1)} µs`;
  return [
    {
      question: `${name}: memory of an idle pair`,
      unit: "KiB",
      figure: figure([kibibytes(each("residentBytes"))]),
      detail: `${count} pairs, ${each("descriptors").toFixed(2)} descriptors each; ${idle.threads} threads, ${before.threads} before`,
    },
    {
      question: `${name}: 64 MiB there and back among them / alone`,
      unit: "×",
      figure: figure([among.bulkNs / alone.bulkNs]),
      detail: `${rate(among)}; ${rate(alone)}`,
    },
    {
      question: `${name}: round trip of a byte among them / alone`,
      unit: "×",
      figure: figure([among.roundNs / alone.roundNs]),
      detail: `${micro(among)}; ${micro(alone)}`,
    },
    {
      question: `${name}: a byte there and back on each`,
      unit: "ms",
      figure: figure([allMs]),
      detail: endMs === undefined ? "" : `and ended with code 0, ${endMs.toFixed(0)} ms after SIGTERM`,
    },
  ];
}

async function measureProxies(rounds: number, progress: (text: string) => void): Promise<Row[]> {
  const upstream = start(await helper("crowd"), ["serve"]);
  const port = Number(await upstream.firstLine);
  const rows: Row[] = [];
  try {
    for (const name of Object.keys(proxies)) {
      progress(`scale: ${name}`);
      const found = await orReason(
        async () => rowsOf(name, await observeProxy(name, port, rounds)),
        (skipped) => [{ question: name, unit: "KiB", skipped }],
      );
      rows.push(...found);
    }
  } finally {
    upstream.process.stdin?.end();
    await upstream.output;
  }
  return rows;
}

const small = { path: "/small.bin", bytes: 4096 } as const;
const large = { path: "/large.bin", bytes: 64 * 2 ** 20 } as const;
/** Of a client: slow, so that thousands of downloads are under way at once. */
const clientBytesPerSecond = 8192;
const servedSeconds = 8;

/** Milliseconds of a download of the large file. */
async function download(port: number): Promise<number> {
  return Number(await start(await helper("http_reader"), [String(port), large.path]).output) / 1e6;
}

/** Clients that have each been served once, and what the server holds for them before they leave. */
async function observeIdle({ port, pid }: Measured, clients: number) {
  const before = holdings(pid);
  const load = await slowClients(port, { clients, bytesPerSecond: 1, small, large });
  const idle = holdings(pid);
  const amongMs = await download(port);
  await load.end();
  return { before, idle, amongMs };
}

const medianDownload = async (port: number) =>
  figure([await download(port), await download(port), await download(port)]).median;

/** Downloads under way, and what the server holds for them. */
async function observeDownloads({ port, pid }: Measured, clients: number) {
  const before = holdings(pid);
  const load = await slowClients(port, { clients, bytesPerSecond: clientBytesPerSecond, small, large });
  load.begin();
  await sleep((servedSeconds * 1000) / 2);
  const amongMs = await medianDownload(port);
  const loaded = holdings(pid);
  await sleep((servedSeconds * 1000) / 2);
  return { before, loaded, amongMs, worstServed: await load.end() };
}

async function measureServed(): Promise<Row[]> {
  const files = await scratchFolder(tmpdir(), small.bytes + large.bytes);
  for (const { path, bytes } of [small, large]) await writePayload(join(files, path), bytes);
  const subject = () => startCommand((port) => ["serve", files, "--port", String(port), "--quiet"]);
  const each = (now: Holdings, before: Holdings, count: number) => {
    const memory = kibibytes(now.residentBytes - before.residentBytes) / count;
    const descriptors = ((now.descriptors - before.descriptors) / count).toFixed(2);
    return {
      memory,
      told: `${count}, ${descriptors} descriptors each; ${now.threads} threads, ${before.threads} before`,
    };
  };

  const first = await subject();
  await download(first.port);
  const aloneMs = await medianDownload(first.port);
  const connected = allowed(1);
  const { before, idle, amongMs } = await observeIdle(first, connected);
  await first.stop();

  const second = await subject();
  await download(second.port);
  // The connection, the file, and the engine's own of either.
  const downloading = allowed(4);
  const downloads = await observeDownloads(second, downloading);
  const endMs = await second.stop();

  const ofIdle = each(idle, before, connected);
  const ofDownloads = each(downloads.loaded, downloads.before, downloading);
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  const ratio = (question: string, among: number): Row => ({
    question: `${serving}: 64 MiB among ${question} / alone`,
    unit: "×",
    figure: figure([among / aloneMs]),
    detail: `${ms(among)}; ${ms(aloneMs)}`,
  });
  return [
    {
      question: `${serving}: memory of an idle connection that has been served`,
      unit: "KiB",
      figure: figure([ofIdle.memory]),
      detail: ofIdle.told,
    },
    ratio("them", amongMs),
    {
      question: `${serving}: memory of a download under way`,
      unit: "KiB",
      figure: figure([ofDownloads.memory]),
      detail: ofDownloads.told,
    },
    ratio("those", downloads.amongMs),
    {
      question: `${serving}: what the worst-served client got of ${clientBytesPerSecond / 1024} KiB/s`,
      unit: "%",
      figure: figure([downloads.worstServed * 100]),
      detail: `ended with code 0, ${ms(Number(endMs))} after SIGTERM`,
    },
  ];
}

export const scale: Suite = async ({ rounds, progress }) => [
  section(
    `Open connections in one process, proxied: ${connections}, or as many as the limit on open files allows`,
    await rowsOrReason("memory and round trips", () => measureProxies(rounds, progress)),
  ),
  section(
    "Open connections in one process, served",
    await rowsOrReason("memory and downloads", () => {
      progress(`scale: ${serving}`);
      return measureServed();
    }),
  ),
];
