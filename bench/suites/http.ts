/** Files over HTTP by unchanged apps: throughput, and CPU time of the server, beside the same app alone and nginx. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { contest, type Point } from "../support/contest.ts";
import { scratchFolder, sha256, writePayload } from "../support/files.ts";
import type { Sample } from "../support/metrics.ts";
import type { ProbeAnswers } from "../support/probe.ts";
import {
  contestSection,
  ratioRow,
  type Row,
  rowsOrReason,
  type Section,
  section,
  type Setting,
  type Suite,
} from "../support/rows.ts";
import { requestsFor, served } from "../support/senders.ts";
import type { HttpServer } from "../support/servers.ts";
import { alternate, figure, median } from "../support/stats.ts";
import { countedBy } from "../support/syscalls.ts";
import {
  download,
  type WebServers,
  type File,
  hammer,
  nginx,
  type Pair,
  pairs,
  sha256Of,
  slowClients,
  startAll,
  stopAll,
} from "../support/web.ts";

/** A ratio of two contenders, and what it should be. */
interface HttpQuestion {
  readonly metric: keyof typeof metrics;
  readonly against: (pair: Pair) => string;
  readonly target?: number;
  readonly atLeast?: number;
}

type HttpLoad = (server: HttpServer, file: File) => Promise<Sample>;

interface Size {
  readonly name: string;
  readonly bytes: number;
  readonly load: HttpLoad;
  /** What comes before the first round; by default `load`. */
  readonly warmUp?: HttpLoad;
  readonly asked: readonly HttpQuestion[];
  /** Takes minutes by itself. */
  readonly onlyInFull?: true;
}

const itself = ({ base }: Pair) => base;
const theOther = () => nginx;

const large: readonly HttpQuestion[] = [
  { metric: "cpu", against: itself, target: 0.3 },
  { metric: "cpu", against: theOther, target: 1 },
  { metric: "throughput", against: theOther, atLeast: 1 },
];

const small = (atLeast: number): readonly HttpQuestion[] => [
  { metric: "requests", against: itself, atLeast },
  { metric: "requests", against: theOther },
];

const wrkSeconds = 1;
/** V8 goes on compiling what a request runs through for its first 4,000 or so, and a server that is up has had those. */
const warmUpSeconds = 5;
const countedBytes = 64 * 2 ** 20;
const underWrk: Pick<Size, "load" | "warmUp"> = {
  load: (server, file) => hammer(server, file, wrkSeconds),
  warmUp: (server, file) => hammer(server, file, warmUpSeconds),
};

const downloads =
  (times: number): HttpLoad =>
  (server, file) =>
    download(server, file, times);

const sizes: readonly Size[] = [
  { name: "1 GiB", bytes: 2 ** 30, load: downloads(1), asked: large, onlyInFull: true },
  { name: "64 MiB", bytes: 2 ** 26, load: downloads(4), asked: large },
  { name: "1 MiB", bytes: 2 ** 20, ...underWrk, asked: small(3) },
  { name: "64 KiB", bytes: 2 ** 16, ...underWrk, asked: small(1.5), onlyInFull: true },
  { name: "4 KiB", bytes: 2 ** 12, ...underWrk, asked: small(1) },
];

const cpu = ({ cpuNs, bytes }: Sample) => cpuNs / bytes;
const throughput = ({ bytes, wallNs }: Sample) => bytes / wallNs;
const perSecond = ({ requests, wallNs }: Sample) => (requests / wallNs) * 1e9;
const middle = (samples: readonly Sample[], of: (sample: Sample) => number, digits: number) =>
  median(samples.map(of)).toFixed(digits);

const bytesAtCpu = (samples: readonly Sample[]) =>
  `${middle(samples, throughput, 2)} GB/s at ${middle(samples, cpu, 3)} s/GB`;
const requestsAtCpu = (samples: readonly Sample[]) =>
  `${middle(samples, perSecond, 0)}/s at ${middle(samples, cpu, 3)} s/GB`;

const metrics = {
  cpu: { name: "CPU", value: cpu, tell: bytesAtCpu },
  throughput: { name: "throughput", value: throughput, tell: bytesAtCpu },
  requests: { name: "requests", value: perSecond, tell: requestsAtCpu },
} as const;

const fileOf = (bytes: number): File => ({ path: `/${bytes}.bin`, bytes });

/** A server that sends something else would be fast in vain. */
async function verify(name: string, server: HttpServer, { path, bytes }: File, files: string): Promise<void> {
  if ((await sha256Of(server, path)) !== (await sha256(join(files, path), bytes)))
    throw new Error(`${name} sent something else than ${path}`);
}

async function measure(size: Size, { present, absent }: WebServers, files: string, setting: Setting): Promise<Row[]> {
  const file = fileOf(size.bytes);
  const progress = (text: string) => setting.progress(`${size.name}: ${text}`);
  for (const { name, made } of present) {
    progress(`${name}, to compare what arrives`);
    await verify(name, made, file, files);
  }
  const contenders = (work: HttpLoad) =>
    Object.fromEntries(present.map(({ name, made }) => [name, () => work(made, file)]));
  const { load, warmUp = load } = size;
  await alternate(contenders(warmUp), 1, (name) => progress(`${name}, to warm up`));
  const samples = await alternate(contenders(load), setting.rounds, (name, round) =>
    progress(`${name}, round ${round + 1}`),
  );
  const contested = { contest: { absent }, samples: (name: string) => samples[name] ?? [] };
  return pairs.flatMap((pair) =>
    size.asked.map(({ metric, against, ...bounds }) => {
      const { name, value, tell } = metrics[metric];
      const [of, other] = [pair.name, against(pair)];
      const question = `${name} of ${of} / ${other}`;
      return ratioRow(contested, pointOf(size), { question, of, against: other, value, tell, ...bounds });
    }),
  );
}

const pointOf = ({ bytes }: Size): Point => ({ bytes, cache: "warm" });

/** One connection and one request after another: what each costs, counted from outside. */
async function counted({ present, absent }: WebServers, chosen: readonly Size[], setting: Setting): Promise<Section> {
  const { contest: found } = await contest({
    title: "The same bodies one after another on one connection, and what they cost the server",
    contenders: present.map(({ name, role, made }) =>
      served({
        name,
        role,
        server: made,
        path: (bytes) => fileOf(bytes).path,
        requests: requestsFor(countedBytes, 300),
      }),
    ),
    absent,
    points: chosen.map(pointOf).sort((a, b) => a.bytes - b.bytes),
    notes: [
      "Loopback. There is no C loop here: what the calls themselves cost is in “A file to a socket”.",
      await countedBy(),
    ],
    ...setting,
  });
  return contestSection(found);
}

async function folderOf(all: readonly File[]): Promise<string> {
  const files = await scratchFolder(
    tmpdir(),
    all.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  for (const { path, bytes } of all) await writePayload(join(files, path), bytes);
  return files;
}

export const http: Suite = async (setting) => {
  const chosen = sizes.filter(({ onlyInFull }) => setting.full === true || onlyInFull !== true);
  // Before the servers start: sirv reads the folder once.
  const files = await folderOf(chosen.map(({ bytes }) => fileOf(bytes)));
  const field = await startAll(files);
  const sections: Section[] = [];
  try {
    for (const size of chosen) {
      const rows = await rowsOrReason(size.name, () => measure(size, field, files, setting));
      sections.push(section(`${size.name}, resident, over HTTP with keep-alive`, rows));
    }
    sections.push(await counted(field, chosen, setting));
  } finally {
    await stopAll(field);
  }
  return sections;
};

const clients = 1000;
const clientBytesPerSecond = 100 * 1024;
const seconds = 15;
/** V8 lets its young generation grow for minutes; held small, what is left to grow is the downloads'. */
const nodeOptions = ["--max-semi-space-size=1"];
const crowd = { clients, bytesPerSecond: clientBytesPerSecond, small: fileOf(4096), large: fileOf(64 * 2 ** 20) };

interface ClientFigures {
  readonly idle: ProbeAnswers["memory"];
  readonly loaded: ProbeAnswers["memory"];
  readonly delay: ProbeAnswers["delay"];
  /** Of what it asked for, in the time it had. */
  readonly worstServed: number;
}

async function observe(server: HttpServer): Promise<ClientFigures> {
  const load = await slowClients(server.port, crowd);
  const idle = await server.ask("memory");
  await server.ask("watch");
  load.begin();
  await sleep(seconds * 1000);
  const delay = await server.ask("delay");
  const loaded = await server.ask("memory");
  return { idle, loaded, delay, worstServed: await load.end() };
}

function rowsOfClients(name: string, { idle, loaded, delay, worstServed }: ClientFigures, tested: boolean): Row[] {
  const kibibytes = (bytes: number) => bytes / clients / 1024;
  const grown = (what: keyof ProbeAnswers["memory"]) => kibibytes(loaded[what] - idle[what]);
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
  const files = await folderOf([crowd.small, crowd.large]);
  const rows: Row[] = [];
  for (const name of ["Express", ...pairs.map((pair) => pair.name)]) {
    progress(`${clients} slow clients: ${name}`);
    const field = await startAll(files, [name], nodeOptions);
    try {
      for (const { reason } of field.absent) rows.push({ question: name, unit: "KiB", skipped: reason });
      for (const { made } of field.present) rows.push(...rowsOfClients(name, await observe(made), name !== "Express"));
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
