/** Resident files on every runtime: transfer() over TCP, and file() on the runtime's own server, beside the runtime's own best. */
import { sizeName } from "../support/contest.ts";
import { scratchFile } from "../support/files.ts";
import { sampled } from "../support/metrics.ts";
import { findRuntime } from "../support/programs.ts";
import {
  contestSection,
  type Row,
  section,
  type Section,
  sectionsOrReason,
  type Setting,
  type Suite,
} from "../support/rows.ts";
import { cSender, nodeSender, otherSender, requestsFor, type Sender } from "../support/senders.ts";
import { pairedRatio } from "../support/stats.ts";
import { contestOf } from "./cost-curve.ts";

const mebibyte = 2 ** 20;
const runtimeNames = ["node", "bun", "deno"] as const;
type RuntimeName = (typeof runtimeNames)[number];

const ours = "transfer()";

interface Rival {
  readonly sender: Sender;
  readonly target?: number;
}

const contests: Readonly<Record<RuntimeName, { readonly own: Sender; readonly rivals: readonly Rival[] }>> = {
  node: {
    own: nodeSender(ours, "sluice", "auto"),
    rivals: [
      { sender: nodeSender("createReadStream().pipe(socket)", "rival", "streams"), target: 0.35 },
      { sender: nodeSender("fs.read and socket.write, 1 MiB", "rival", "read") },
    ],
  },
  deno: {
    own: otherSender("deno", ours, "sluice", "auto"),
    rivals: [{ sender: otherSender("deno", "file.readable.pipeTo(conn.writable)", "rival", "streams"), target: 0.35 }],
  },
  bun: {
    own: otherSender("bun", ours, "sluice", "auto"),
    rivals: [
      { sender: otherSender("bun", "Bun.file().stream() to socket.write()", "rival", "streams") },
      { sender: otherSender("bun", "Bun.serve with Bun.file", "rival", "serve"), target: 1.1 },
    ],
  },
};

async function measure(name: RuntimeName, setting: Setting): Promise<Section[]> {
  const { own, rivals } = contests[name];
  const bytes = (setting.full ? 1024 : 256) * mebibyte;
  const title = `${sizeName(bytes)}, resident, to a TCP socket, on ${name} ${(await findRuntime(name)).version}`;
  const { contest: found, samples } = await contestOf(
    title,
    [own, ...rivals.map(({ sender }) => sender), cSender("sendfile")],
    {
      file: await scratchFile(bytes),
      points: [{ bytes, cache: "warm" }],
      how: { requests: requestsFor(256 * mebibyte, 1) },
    },
    setting,
  );
  const cpu = (one: string) => sampled("cpu", samples(one, { bytes, cache: "warm" }));
  const rows = rivals.map(({ sender, target }): Row => ({
    question: `${name}: CPU of ${ours} / ${sender.name}`,
    unit: "×",
    ...(target !== undefined && { target }),
    figure: pairedRatio(cpu(ours), cpu(sender.name)),
  }));
  return [contestSection(found), section(`${name}: … and what follows from it`, rows)];
}

const kibibyte = 2 ** 10;
const bodies: readonly number[] = [10 * kibibyte, 64 * kibibyte, 128 * kibibyte, mebibyte, 16 * mebibyte];

const servers = {
  bun: { name: "Bun.serve", own: "Bun.file" },
  deno: { name: "Deno.serve", own: "Deno.open().readable" },
} as const;

/** Whole files as answers of the runtime's own server. */
async function measureAnswers(runtime: keyof typeof servers, setting: Setting): Promise<Section[]> {
  const { name, own } = servers[runtime];
  const senders = [otherSender(runtime, "file()", "sluice", "serveFile"), otherSender(runtime, own, "rival", "serve")];
  const rows: Row[] = [];
  for (const bytes of bodies) {
    const { samples } = await contestOf(
      `${sizeName(bytes)} by ${name}`,
      senders,
      {
        file: await scratchFile(bytes),
        points: [{ bytes, cache: "warm" }],
        how: { requests: requestsFor(256 * mebibyte, 4000) },
      },
      setting,
    );
    for (const metric of ["cpu", "throughput"] as const) {
      const of = (one: string) => sampled(metric, samples(one, { bytes, cache: "warm" }));
      rows.push({
        question: `${name}, ${sizeName(bytes)}: ${metric} of file() / ${own}`,
        unit: "×",
        ...(metric === "cpu" && { target: 1.1 }),
        figure: pairedRatio(of("file()"), of(own)),
      });
    }
  }
  return [section(`${name}: file() beside ${own}`, rows)];
}

export const runtimes: Suite = async (setting) => {
  const sections: Section[] = [];
  for (const name of runtimeNames)
    sections.push(...(await sectionsOrReason(`To a TCP socket on ${name}`, () => measure(name, setting))));
  return sections;
};

export const answers: Suite = async (setting) => {
  const sections: Section[] = [];
  for (const name of ["bun", "deno"] as const)
    sections.push(...(await sectionsOrReason(`Answers of ${servers[name].name}`, () => measureAnswers(name, setting))));
  return sections;
};
