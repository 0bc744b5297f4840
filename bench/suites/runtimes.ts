/** One large resident file over TCP on every runtime: transfer() beside the runtime's own best. */
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

export const runtimes: Suite = async (setting) => {
  const sections: Section[] = [];
  for (const name of runtimeNames)
    sections.push(...(await sectionsOrReason(`To a TCP socket on ${name}`, () => measure(name, setting))));
  return sections;
};
