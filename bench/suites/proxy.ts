/** A TCP proxy: what each byte and each round trip costs its process, beside HAProxy, socat, two pipes in Node and a loop in C. */
import { type Amount, socat, socatContender, staying, type Times, timesOf } from "../support/contenders.ts";
import { assemble, type Contender, contest, type Point } from "../support/contest.ts";
import type { Sample } from "../support/metrics.ts";
import { helper, needProgram, start } from "../support/programs.ts";
import { haproxy, haproxyForced, own, pipe, preloaded, proxies, type Proxy } from "../support/proxies.ts";
import {
  contestSection,
  type Question,
  ratioRow,
  section,
  type Section,
  sectionsOrReason,
  type Setting,
  type Suite,
} from "../support/rows.ts";
import { median } from "../support/stats.ts";
import { countedBy } from "../support/syscalls.ts";

type Measure = keyof typeof measures;

interface ProxyQuestion extends Pick<Question, "of" | "against" | "target" | "atLeast"> {
  readonly measure: Measure;
}

/** The command of bench/c/proxy_peer.c. */
type PeerCommand = (port: number) => readonly (string | number)[];

/** What clients do with a proxy, and what is asked of that. */
interface ProxyLoad {
  readonly title: string;
  readonly point: Point;
  readonly connections: number;
  readonly amount: Amount;
  readonly order: PeerCommand;
  /** Before each run, and not measured. */
  readonly before?: PeerCommand;
  readonly questions: readonly ProxyQuestion[];
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

const large: readonly ProxyQuestion[] = [
  { measure: "cpuPerByte", of: own, against: haproxy, target: 0.9 },
  { measure: "throughput", of: own, against: haproxy, atLeast: 1 },
  { measure: "cpuPerByte", of: own, against: haproxyForced, target: 0.9 },
  { measure: "throughput", of: own, against: haproxyForced, atLeast: 1 },
  { measure: "cpuPerByte", of: own, against: pipe, target: 0.25 },
  { measure: "throughput", of: own, against: pipe },
  { measure: "cpuPerByte", of: preloaded, against: pipe },
];

const small: readonly ProxyQuestion[] = [
  { measure: "roundTrip", of: own, against: pipe, target: 1.2 },
  { measure: "roundTrip", of: own, against: haproxy },
  { measure: "cpuPerRound", of: own, against: haproxy },
  { measure: "cpuPerRound", of: own, against: pipe },
  { measure: "roundTrip", of: preloaded, against: pipe, target: 1.2 },
];

function bulk(title: string, connections: number, bytes: number): ProxyLoad {
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

function ping(title: string, size: number, rounds: number): ProxyLoad {
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

const loads: readonly ProxyLoad[] = [
  bulk("1 connection, 512 MiB down", 1, 512 * MiB),
  bulk("16 connections, 32 MiB down each", 16, 32 * MiB),
  ping("64 bytes there and back, 10,000 times", 64, 10_000),
];

const drive = async (order: PeerCommand, port: number): Promise<Times> =>
  timesOf(await start(await helper("proxy_peer"), order(port).map(String)).output);

/** Takes part in every load. */
interface Entrant {
  readonly contenderOf: (load: ProxyLoad) => Contender;
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

async function measured(
  load: ProxyLoad,
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
      load.questions.map(({ measure, ...question }) => {
        const { name, of: value, tell } = measures[measure];
        const asked = `${name} of ${question.of} / ${question.against}`;
        return ratioRow(contested, load.point, { ...question, question: asked, value, tell });
      }),
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

export const proxy: Suite = (setting) =>
  sectionsOrReason("A TCP proxy", async () => {
    const upstream = start(await helper("proxy_peer"), ["serve"]);
    try {
      return await allLoads(Number(await upstream.firstLine), setting);
    } finally {
      upstream.process.stdin?.end();
      await upstream.output;
    }
  });
