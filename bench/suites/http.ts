/** Files over HTTP by unchanged apps: throughput, and CPU time of the server, beside the same app alone and nginx. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { contest, type Point } from "../support/contest.ts";
import { scratchFolder, sha256, writePayload } from "../support/files.ts";
import { download, type File, hammer, type Sample, sha256Of } from "../support/http-load.ts";
import type { Answers } from "../support/probe.ts";
import { helper, start } from "../support/programs.ts";
import {
  contestSection,
  type Row,
  rowsOrReason,
  type Section,
  section,
  type Setting,
  type Suite,
} from "../support/rows.ts";
import { requestsFor, served } from "../support/senders.ts";
import type { HttpServer } from "../support/servers.ts";
import { alternate, figure, median, pairedRatio } from "../support/stats.ts";
import { countedBy } from "../support/syscalls.ts";
import { type Field, nginx, type Pair, pairs, startAll, starts, stopAll } from "../support/web-servers.ts";

type Samples = Readonly<Record<string, readonly Sample[]>>;
type Metric = keyof Sample;

/** A ratio of two contenders and what it should be. */
interface Question {
  readonly metric: Metric;
  readonly against: (pair: Pair) => string;
  readonly target?: number;
  readonly atLeast?: number;
}

interface Size {
  readonly name: string;
  readonly bytes: number;
  readonly load: (server: HttpServer, file: File) => Promise<Sample>;
  /** What comes before the first round; by default `load`. */
  readonly warmUp?: (server: HttpServer, file: File) => Promise<Sample>;
  readonly questions: readonly Question[];
  /** Takes minutes by itself. */
  readonly onlyInFull?: true;
}

const itself = ({ base }: Pair) => base;
const theOther = () => nginx;

const large: readonly Question[] = [
  { metric: "cpuSecondsPerGB", against: itself, target: 0.3 },
  { metric: "cpuSecondsPerGB", against: theOther, target: 1 },
  { metric: "bytesPerSecond", against: theOther, atLeast: 1 },
];

const small = (atLeast: number): readonly Question[] => [
  { metric: "requestsPerSecond", against: itself, atLeast },
  { metric: "requestsPerSecond", against: theOther },
];

const wrkSeconds = 1;
/** V8 goes on compiling what a request runs through for its first 4,000 or so, and a server that is up has had those. */
const warmUpSeconds = 5;
const countedBytes = 64 * 2 ** 20;
const underWrk: Pick<Size, "load" | "warmUp"> = {
  load: (server, file) => hammer(server, file, wrkSeconds),
  warmUp: (server, file) => hammer(server, file, warmUpSeconds),
};

const sizes: readonly Size[] = [
  {
    name: "1 GiB",
    bytes: 2 ** 30,
    load: (server, file) => download(server, file, 1),
    questions: large,
    onlyInFull: true,
  },
  { name: "64 MiB", bytes: 2 ** 26, load: (server, file) => download(server, file, 4), questions: large },
  { name: "1 MiB", bytes: 2 ** 20, ...underWrk, questions: small(3) },
  { name: "64 KiB", bytes: 2 ** 16, ...underWrk, questions: small(1.5), onlyInFull: true },
  { name: "4 KiB", bytes: 2 ** 12, ...underWrk, questions: small(1) },
];

const metrics: Readonly<Record<Metric, { readonly name: string; readonly tell: (value: number) => string }>> = {
  cpuSecondsPerGB: { name: "CPU", tell: (value) => `${value.toFixed(3)} s/GB` },
  bytesPerSecond: { name: "throughput", tell: (value) => `${(value / 1e9).toFixed(2)} GB/s` },
  requestsPerSecond: { name: "requests", tell: (value) => `${value.toFixed(0)}/s` },
};

function rowOf(pair: Pair, { metric, against, ...bounds }: Question, samples: Samples, { missing }: Field): Row {
  const other = against(pair);
  const row = { question: `${metrics[metric].name} of ${pair.name} / ${other}`, unit: "×" as const, ...bounds };
  const skipped = missing.get(pair.name) ?? missing.get(other);
  if (skipped !== undefined) return { ...row, skipped };
  const of = (contender: string, which: Metric) => (samples[contender] ?? []).map((sample) => sample[which]);
  const told = (contender: string) => {
    const cpu = metrics.cpuSecondsPerGB.tell(median(of(contender, "cpuSecondsPerGB")));
    const rate = metric === "cpuSecondsPerGB" ? "bytesPerSecond" : metric;
    return `${metrics[rate].tell(median(of(contender, rate)))} at ${cpu}`;
  };
  return {
    ...row,
    figure: pairedRatio(of(pair.name, metric), of(other, metric)),
    detail: `${told(pair.name)}; ${told(other)}`,
  };
}

const fileOf = (bytes: number): File => ({ path: `/${bytes}.bin`, bytes });

/** A server that sends something else would be fast in vain. */
async function verify(name: string, server: HttpServer, { path, bytes }: File, files: string): Promise<void> {
  if ((await sha256Of(server, path)) !== (await sha256(join(files, path), bytes)))
    throw new Error(`${name} sent something else than ${path}`);
}

interface Run {
  readonly field: Field;
  readonly files: string;
  readonly rounds: number;
  readonly progress: (text: string) => void;
}

async function measure(size: Size, { field, files, rounds, progress }: Run): Promise<Row[]> {
  const file = fileOf(size.bytes);
  for (const [name, server] of field.servers) {
    progress(`${size.name}: ${name}, to compare what arrives`);
    await verify(name, server, file, files);
  }
  const contenders = (work: Size["load"]) =>
    Object.fromEntries([...field.servers].map(([name, server]) => [name, () => work(server, file)]));
  const { load, warmUp = load } = size;
  await alternate(contenders(warmUp), 1, (name) => progress(`${size.name}: ${name}, to warm up`));
  const samples = await alternate(contenders(load), rounds, (name, round) =>
    progress(`${size.name}: ${name}, round ${round + 1}`),
  );
  return pairs.flatMap((pair) => size.questions.map((question) => rowOf(pair, question, samples, field)));
}

/** One connection and one request after another: what each costs, counted from outside. */
async function counted(field: Field, points: readonly Point[], { rounds, progress }: Setting): Promise<Section> {
  const ours = new Set(pairs.map(({ name }) => name)).add("sluice serve, no engine");
  const { contest: found } = await contest({
    title: "The same bodies one after another on one connection, and what they cost the server",
    contenders: [...field.servers].map(([name, server]) =>
      served({
        name,
        role: ours.has(name) ? "sluice" : "rival",
        server,
        path: (bytes) => fileOf(bytes).path,
        requests: requestsFor(countedBytes, 300),
      }),
    ),
    absent: [...field.missing].map(([name, reason]) => ({ name, role: ours.has(name) ? "sluice" : "rival", reason })),
    points,
    rounds,
    notes: [
      "Loopback. There is no C loop here: what the calls themselves cost is in “A file to a socket”.",
      await countedBy(),
    ],
    progress,
  });
  return contestSection(found);
}

export const http: Suite = async (setting) => {
  const { rounds, full, progress } = setting;
  const chosen = sizes.filter(({ onlyInFull }) => full === true || onlyInFull !== true);
  const files = await scratchFolder(
    tmpdir(),
    chosen.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  // Before the servers start: sirv reads the folder once.
  for (const { bytes } of chosen) await writePayload(join(files, fileOf(bytes).path), bytes);
  const field = await startAll(Object.keys(starts), files);
  const sections: Section[] = [];
  try {
    for (const size of chosen) {
      const rows = await rowsOrReason(size.name, () => measure(size, { field, files, rounds, progress }));
      sections.push(section(`${size.name}, resident, over HTTP with keep-alive`, rows));
    }
    const points = chosen.map(({ bytes }): Point => ({ bytes, cache: "warm" })).sort((a, b) => a.bytes - b.bytes);
    sections.push(await counted(field, points, setting));
  } finally {
    await stopAll(field);
  }
  return sections;
};

const clients = 1000;
const clientBytesPerSecond = 100 * 1024;
const seconds = 15;
/** V8 lets its young generation grow for minutes; held smallFile, what is left to grow is the downloads'. */
const nodeOptions = ["--max-semi-space-size=1"];
const smallFile = { path: "/smallFile.bin", bytes: 4096 } as const;
const largeFile = { path: "/largeFile.bin", bytes: 64 * 2 ** 20 } as const;

interface Observed {
  readonly idle: Answers["memory"];
  readonly loaded: Answers["memory"];
  readonly delay: Answers["delay"];
  /** Of what it asked for, in the time it had. */
  readonly worstServed: number;
}

async function observe(server: HttpServer): Promise<Observed> {
  const order = [server.port, clients, clientBytesPerSecond, smallFile.path, largeFile.path];
  const load = start(await helper("slow_clients"), order.map(String));
  await load.firstLine;
  const idle = await server.ask("memory");
  await server.ask("watch");
  load.process.stdin?.write("g");
  await sleep(seconds * 1000);
  const delay = await server.ask("delay");
  const loaded = await server.ask("memory");
  load.process.stdin?.end();
  const [elapsed = 0, , least = 0] = ((await load.output).split("\n")[1] ?? "").split(" ").map(Number);
  return { idle, loaded, delay, worstServed: least / (elapsed * clientBytesPerSecond) };
}

function rowsOfClients(name: string, { idle, loaded, delay, worstServed }: Observed, tested: boolean): Row[] {
  const kibibytes = (bytes: number) => bytes / clients / 1024;
  const grown = (what: keyof Answers["memory"]) => kibibytes(loaded[what] - idle[what]);
  return [
    {
      question: `${name}: memory of a download beyond an idle connection`,
      unit: "KiB",
      figure: figure([grown("rss")]),
      ...(tested && { target: 10 }),
      detail: `an idle one ${kibibytes(idle.rss).toFixed(0)} KiB with the server; of the growth ${grown("heapUsed").toFixed(1)} KiB heap, ${grown("external").toFixed(1)} KiB buffers`,
    },
    {
      question: `${name}: event-loop delay p99`,
      unit: "ms",
      figure: figure([delay.p99Ms]),
      ...(tested && { target: 5 }),
      detail: `worst ${delay.worstMs.toFixed(0)} ms; the worst-served client got ${(worstServed * 100).toFixed(0)} % of its rate`,
    },
  ];
}

async function measureSlowClients(progress: (text: string) => void): Promise<Row[]> {
  const files = await scratchFolder(tmpdir(), smallFile.bytes + largeFile.bytes);
  for (const { path, bytes } of [smallFile, largeFile]) await writePayload(join(files, path), bytes);
  const rows: Row[] = [];
  for (const name of ["Express", ...pairs.map((pair) => pair.name)]) {
    progress(`${clients} slow clients: ${name}`);
    const field = await startAll([name], files, nodeOptions);
    try {
      for (const skipped of field.missing.values()) rows.push({ question: name, unit: "KiB", skipped });
      for (const server of field.servers.values())
        rows.push(...rowsOfClients(name, await observe(server), name !== "Express"));
    } finally {
      await stopAll(field);
    }
  }
  return rows;
}

export const httpSlowClients: Suite = async ({ progress }) => [
  section(
    `${clients} clients at 100 KiB/s each, ${seconds} s of a 64 MiB download`,
    await rowsOrReason("memory and event-loop delay", () => measureSlowClients(progress)),
  ),
];
