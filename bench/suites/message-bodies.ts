/** Bodies that come from a connection: uploads into files, and reverse proxies of unchanged apps, beside nginx and HAProxy. */
import { assemble, contest, type Point, sizeName } from "../support/contest.ts";
import {
  contenderOf,
  type Exchange,
  haproxySplicing,
  messageServers,
  nginx,
  preloaded,
  stock,
  type Way,
} from "../support/message-servers.ts";
import type { Sample } from "../support/metrics.ts";
import { helper, start } from "../support/programs.ts";
import {
  contestSection,
  type Question,
  ratioRow,
  type Section,
  section,
  sectionsOrReason,
  type Setting,
  type Suite,
} from "../support/rows.ts";
import { median } from "../support/stats.ts";

type Asked = Pick<Question, "against" | "target" | "atLeast"> & { readonly measure: keyof typeof measures };

interface Load extends Exchange {
  readonly way: Way;
  /** Before each measurement, in the same process. */
  readonly warmUp?: Exchange;
  /** Those that take part; all, unless said. */
  readonly field?: readonly string[];
  /** Times the usual number: what is small takes many to be seen. */
  readonly rounds?: number;
  readonly questions: readonly Asked[];
  readonly onlyInFull?: true;
}

const middle = (samples: readonly Sample[], of: (sample: Sample) => number, digits: number) =>
  median(samples.map(of)).toFixed(digits);

const cpu = ({ cpuNs, bytes }: Sample) => cpuNs / bytes;
const cpuOfOne = ({ cpuNs, requests }: Sample) => cpuNs / requests;
const rate = ({ bytes, wallNs }: Sample) => bytes / wallNs;
const peak = ({ rssBytes = Number.NaN }: Sample) => rssBytes;
const atCpu = (samples: readonly Sample[]) => `${middle(samples, rate, 2)} GB/s at ${middle(samples, cpu, 3)} s/GB`;

const measures = {
  cpu: { name: "CPU", value: cpu, tell: atCpu },
  throughput: { name: "throughput", value: rate, tell: atCpu },
  request: {
    name: "CPU of a request",
    value: cpuOfOne,
    tell: (samples: readonly Sample[]) => `${middle(samples, (one) => cpuOfOne(one) / 1e3, 1)} µs`,
  },
  peak: {
    name: "peak memory",
    value: peak,
    tell: (samples: readonly Sample[]) => `${middle(samples, (one) => peak(one) / 2 ** 20, 0)} MiB`,
  },
} as const;

const [KiB, MiB, GiB] = [2 ** 10, 2 ** 20, 2 ** 30];

const throughput: Asked = { measure: "throughput", against: stock };
const cpuBeside = (against: string, target?: number): Asked => ({
  measure: "cpu",
  against,
  ...(target !== undefined && { target }),
});

/** One at a time, and as many as come to so much. */
function large(way: Way, method: Load["method"], bytes: number, questions: readonly Asked[]): Load {
  const warmUp = { method, bytes: 64 * MiB, connections: 1, requests: 2 };
  const requests = Math.ceil(GiB / 2 / bytes);
  return { way, method, bytes, connections: 1, requests, warmUp, questions: [...questions, throughput] };
}

function medium(way: Way, method: Load["method"]): Load {
  const exchange = { method, bytes: MiB, connections: 4, requests: 150 };
  return { way, ...exchange, warmUp: exchange, questions: [cpuBeside(stock, 0.6), cpuBeside(nginx), throughput] };
}

/** They are never handed over: what is seen is what it costs to look at them. */
function small(way: Way, method: Load["method"], bytes: number, requests: number): Load {
  return {
    way,
    method,
    bytes,
    connections: 4,
    requests,
    // V8 goes on compiling what a request runs through for its first thousands.
    warmUp: { method, bytes, connections: 4, requests: 1500 },
    field: [stock, preloaded],
    rounds: 4,
    questions: [{ measure: "request", against: stock, target: 1.02 }],
  };
}

/** Not warmed up: what a process has once had stays in its peak. */
function crowd(way: Way, method: Load["method"]): Load {
  const questions: readonly Asked[] = [{ measure: "peak", against: stock, target: 0.5 }];
  return { way, method, bytes: 256 * MiB, connections: 8, requests: 1, field: [stock, preloaded], questions };
}

const proxyDown = [cpuBeside(stock, 0.22), cpuBeside(nginx, 0.2), cpuBeside(haproxySplicing, 1)];

const loads: readonly Load[] = [
  large("upload", "PUT", GiB, [cpuBeside(stock, 0.4), cpuBeside(nginx, 0.65)]),
  large("proxy", "GET", GiB, proxyDown),
  large("proxy", "GET", 64 * MiB, proxyDown),
  large("proxy", "PUT", GiB, [cpuBeside(stock, 0.35), cpuBeside(nginx), cpuBeside(haproxySplicing)]),
  medium("upload", "PUT"),
  medium("proxy", "GET"),
  small("proxy", "GET", 64 * KiB, 2000),
  small("proxy", "GET", 4 * KiB, 2500),
  { ...small("proxy", "PUT", 4 * KiB, 2500), onlyInFull: true },
  { ...small("upload", "PUT", 64 * KiB, 1500), onlyInFull: true },
  small("upload", "PUT", 4 * KiB, 2000),
  small("api", "GET", KiB, 6000),
  crowd("proxy", "GET"),
  { ...crowd("proxy", "PUT"), onlyInFull: true },
  { ...crowd("upload", "PUT"), onlyInFull: true },
];

const title = ({ way, method, bytes, connections, requests }: Load) => {
  const what = { upload: "Uploads into files", proxy: `http-proxy, ${method}`, api: "Answers without streams" }[way];
  return `${what}: ${requests * connections} × ${sizeName(bytes)} on ${connections} connection${connections > 1 ? "s" : ""}`;
};

const notes = [
  "Loopback; the same client and origin in C for all, of whose cost nothing is in it. A fresh process for each measurement, warmed up.",
  "nginx: one worker, proxy_buffering off; client_body_in_file_only for uploads. HAProxy: one thread, mode http. RSS is the peak (VmHWM).",
];

async function measured(load: Load, origin: number, { rounds, progress }: Setting): Promise<Section[]> {
  const point: Point = { bytes: load.bytes, cache: "warm" };
  const chosen = messageServers.filter(({ way, name }) => way === load.way && (load.field?.includes(name) ?? true));
  const { present, absent } = await assemble(
    chosen.map((one) => ({
      ...one,
      setUp: async () => {
        // Whether it is installed.
        await (await one.start(origin)).stop();
        return contenderOf(one, origin, () => load, load.warmUp);
      },
    })),
  );
  const contested = await contest({
    title: title(load),
    contenders: present.map(({ made }) => made),
    absent,
    points: [point],
    rounds: rounds * (load.rounds ?? 1),
    notes,
    progress,
  });
  const rows = load.questions.map(({ measure, ...asked }) => {
    const { name, value, tell } = measures[measure];
    const question = `${name} of ${preloaded} / ${asked.against}`;
    return ratioRow(contested, point, { ...asked, question, of: preloaded, value, tell });
  });
  return [contestSection(contested.contest), section(`… and what follows from it: ${title(load)}`, rows)];
}

export const messageBodies: Suite = (setting) =>
  sectionsOrReason("Bodies that come from a connection", async () => {
    const origin = start(await helper("body_peers"), ["serve"]);
    try {
      const sections: Section[] = [];
      const port = Number(await origin.firstLine);
      for (const load of loads)
        if (setting.full === true || load.onlyInFull !== true)
          sections.push(...(await sectionsOrReason(title(load), () => measured(load, port, setting))));
      return sections;
    } finally {
      origin.process.stdin?.end();
      await origin.output;
    }
  });
