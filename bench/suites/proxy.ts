/** A TCP proxy: what each byte and each round trip costs its process, beside HAProxy, socat, two pipes in Node and a loop in C. */
import { haproxy, haproxyForced, own, pipe, preloaded, proxies, type Proxy } from "../support/proxies.ts";
import { assemble, contest, type Contender, type Contested, type Point } from "../support/contest.ts";
import { helper, start } from "../support/programs.ts";
import type { Sample } from "../support/metrics.ts";
import { needProgram } from "../support/programs.ts";
import { contestSection, type Row, rowsOrReason, section, type Section } from "../support/rows.ts";
import { socat, socatContender } from "../support/contenders.ts";
import { type Amount, staying, type Times, timesOf } from "../support/contenders.ts";
import { median, pairedRatio } from "../support/stats.ts";
import { countedBy } from "../support/syscalls.ts";
import type { Setting, Suite } from "../support/rows.ts";

type Measure = keyof typeof measures;

interface Question {
  readonly measure: Measure;
  readonly of: string;
  readonly against: string;
  readonly target?: number;
  readonly atLeast?: number;
}

/** The command of bench/c/proxy_peer.c. */
type Order = (port: number) => readonly (string | number)[];

/** What clients do with a proxy, and what is asked of that. */
interface Load {
  readonly title: string;
  readonly point: Point;
  readonly connections: number;
  readonly amount: Amount;
  readonly order: Order;
  /** Before each run, and not measured. */
  readonly before?: Order;
  readonly questions: readonly Question[];
}

type Samples = readonly Sample[];

const middle = (samples: Samples, of: (sample: Sample) => number) => median(samples.map(of));

const rate = ({ bytes, wallNs }: Sample) => bytes / wallNs;
const cpuPerByte = ({ cpuNs, bytes }: Sample) => cpuNs / bytes;
const cpuPerRound = ({ cpuNs, requests }: Sample) => cpuNs / requests;
const roundTrip = ({ latencyNs = Number.NaN }: Sample) => latencyNs;

const tellRate = (samples: Samples) => `${middle(samples, rate).toFixed(2)} GB/s`;

const measures = {
  cpuPerByte: {
    name: "CPU per byte",
    of: cpuPerByte,
    tell: (samples: Samples) => `${middle(samples, cpuPerByte).toFixed(3)} s/GB at ${tellRate(samples)}`,
  },
  throughput: { name: "throughput", of: rate, tell: tellRate },
  roundTrip: {
    name: "median round trip",
    of: roundTrip,
    tell: (samples: Samples) => `${(middle(samples, roundTrip) / 1e3).toFixed(1)} µs`,
  },
  cpuPerRound: {
    name: "CPU per round trip",
    of: cpuPerRound,
    tell: (samples: Samples) => `${(middle(samples, cpuPerRound) / 1e3).toFixed(1)} µs of CPU`,
  },
} as const;

const large: readonly Question[] = [
  { measure: "cpuPerByte", of: own, against: haproxy, target: 0.9 },
  { measure: "throughput", of: own, against: haproxy, atLeast: 1 },
  { measure: "cpuPerByte", of: own, against: haproxyForced, target: 0.9 },
  { measure: "throughput", of: own, against: haproxyForced, atLeast: 1 },
  { measure: "cpuPerByte", of: own, against: pipe, target: 0.25 },
  { measure: "throughput", of: own, against: pipe },
  { measure: "cpuPerByte", of: preloaded, against: pipe },
];

const small: readonly Question[] = [
  { measure: "roundTrip", of: own, against: pipe, target: 1.2 },
  { measure: "roundTrip", of: own, against: haproxy },
  { measure: "cpuPerRound", of: own, against: haproxy },
  { measure: "cpuPerRound", of: own, against: pipe },
  { measure: "roundTrip", of: preloaded, against: pipe, target: 1.2 },
];

function bulk(title: string, connections: number, bytes: number): Load {
  return {
    title,
    point: { bytes, cache: "warm" },
    connections,
    amount: { bytes: connections * bytes, requests: connections },
    order: (port) => ["bulk", port, connections, bytes],
    // A virtual machine's memory is slow at its first touch, and who has the most under way would pay for that.
    before: (port) => ["bulk", port, connections, bytes / 4],
    questions: large,
  };
}

function ping(title: string, size: number, rounds: number): Load {
  return {
    title,
    point: { bytes: size, cache: "warm" },
    connections: 1,
    // There and back.
    amount: { bytes: 2 * size * rounds, requests: rounds },
    order: (port) => ["ping", port, size, rounds],
    questions: small,
  };
}

const MiB = 2 ** 20;

const loads: readonly Load[] = [
  bulk("1 connection, 512 MiB down", 1, 512 * MiB),
  bulk("16 connections, 32 MiB down each", 16, 32 * MiB),
  ping("64 bytes there and back, 10,000 times", 64, 10_000),
];

const drive = async (order: Order, port: number): Promise<Times> =>
  timesOf(await start(await helper("proxy_peer"), order(port).map(String)).output);

/** Takes part in every load. */
interface Entrant {
  readonly contenderOf: (load: Load) => Contender;
  readonly stop: () => Promise<void>;
}

const entrantOf = async ({ name, role, start: begin }: Proxy, upstream: number): Promise<Entrant> => {
  const server = await begin(upstream);
  return {
    contenderOf: ({ amount, order, before }) =>
      staying({
        name,
        role,
        subjects: [server],
        amount: () => amount,
        ...(before && { prepare: async () => void (await drive(before, server.port)) }),
        work: () => drive(order, server.port),
      }),
    stop: () => server.stop(),
  };
};

/** @throws Unavailable where it is not installed */
async function socatEntrant(upstream: number): Promise<Entrant> {
  needProgram("socat");
  return {
    contenderOf: (load) =>
      socatContender({
        other: () => `TCP:127.0.0.1:${upstream},nodelay`,
        serves: () => load.connections === 1,
        amount: () => load.amount,
        work: (_, port) => drive(load.order, port),
      }),
    stop: async () => {},
  };
}

const assembleField = (upstream: number) =>
  assemble<Entrant>([
    ...proxies.map((one) => ({ ...one, setUp: () => entrantOf(one, upstream) })),
    { name: socat, role: "rival", setUp: () => socatEntrant(upstream) },
  ]);

function rowOf(
  { measure, of, against, ...bounds }: Question,
  { contest: { absent }, samples }: Contested,
  point: Point,
): Row {
  const { name, of: value, tell } = measures[measure];
  const row = { question: `${name} of ${of} / ${against}`, unit: "×", ...bounds };
  const skipped = absent.find((one) => one.name === of || one.name === against)?.reason;
  if (skipped !== undefined) return { ...row, skipped };
  const [ours, theirs] = [samples(of, point), samples(against, point)];
  return {
    ...row,
    figure: pairedRatio(ours.map(value), theirs.map(value)),
    detail: `${tell(ours)}; ${tell(theirs)}`,
  };
}

async function measured(
  load: Load,
  { present, absent }: Awaited<ReturnType<typeof assembleField>>,
  { rounds, progress }: Setting,
): Promise<Section[]> {
  const contested = await contest({
    title: `A TCP proxy, ${load.title}`,
    contenders: present.map(({ made }) => made.contenderOf(load)),
    absent,
    points: [load.point],
    rounds,
    notes: [
      "Loopback; the same two peers for all, of whose cost nothing is in it. Figures are of the proxy's process, from /proc; socat's by wait4(2), its start included.",
      await countedBy(),
    ],
    progress,
  });
  return [
    contestSection(contested.contest),
    section(
      `… and what follows from it: ${load.title}`,
      load.questions.map((question) => rowOf(question, contested, load.point)),
    ),
  ];
}

async function allLoads(upstream: number, setting: Setting): Promise<Section[]> {
  const field = await assembleField(upstream);
  try {
    const sections: Section[] = [];
    for (const load of loads) sections.push(...(await measured(load, field, setting)));
    return sections;
  } finally {
    await Promise.all(field.present.map(({ made }) => made.stop()));
  }
}

async function sectionsOf(setting: Setting): Promise<Section[]> {
  const upstream = start(await helper("proxy_peer"), ["serve"]);
  try {
    return await allLoads(Number(await upstream.firstLine), setting);
  } finally {
    upstream.process.stdin?.end();
    await upstream.output;
  }
}

export const proxy: Suite = async (setting) => {
  const reason = await rowsOrReason("proxy", async () => {
    await helper("proxy_peer");
    return [];
  });
  return reason.length > 0 ? [section("A TCP proxy", reason)] : sectionsOf(setting);
};
