/** One large resident file over TCP: CPU time of transfer() beside a bare sendfile loop and beside streams. */
import { helper, start } from "../support/helpers.ts";
import { type Row, rowsOrReason, section } from "../support/rows.ts";
import { scratchFile } from "../support/scratch.ts";
import { alternate, figure, median, pairedRatio } from "../support/stats.ts";
import { runTask } from "../support/task.ts";
import type { Mechanism } from "../tasks/send.ts";
import type { Suite } from "./suite.ts";

const bytes = 2 ** 30;
const warmupBytes = 64 * 2 ** 20;
/** The engine's own turn on a socket, so that both sides hand over equal pieces. */
const chunkBytes = 2 * 2 ** 20;

interface Sample {
  readonly cpuNs: number;
  readonly wallNs: number;
  readonly mainThreadShare?: number | undefined;
}

async function sendFromNode(file: string, mechanism: Mechanism): Promise<Sample> {
  const reader = await helper("reader");
  const input = { file, mechanism, connections: 1, warmupBytes, bytes, watchDelay: false };
  const { cost } = await runTask("send", input, {
    onPort: (port) => start(reader, [port, 1, warmupBytes, bytes].map(String)).output,
  });
  return { ...cost, mainThreadShare: cost.mainThreadNs === undefined ? undefined : cost.mainThreadNs / cost.cpuNs };
}

async function sendFromC(file: string, mode: "nonblocking" | "blocking"): Promise<Sample> {
  const sender = start(await helper("sendfile_loop"), [file, chunkBytes, mode, warmupBytes, bytes].map(String));
  const port = await sender.firstLine;
  const reader = start(await helper("reader"), [port, 1, warmupBytes, bytes].map(String));
  const [output] = await Promise.all([sender.output, reader.output]);
  const [cpuNs, wallNs] = (output.split("\n")[1] ?? "").split(" ").map(Number);
  if (cpuNs === undefined || wallNs === undefined) throw new Error(`sendfile_loop printed ${output}`);
  return { cpuNs, wallNs };
}

async function measure(rounds: number, progress: (text: string) => void): Promise<Row[]> {
  const file = await scratchFile(bytes);
  const samples = await alternate(
    {
      transfer: () => sendFromNode(file, "auto"),
      "sendfile loop": () => sendFromC(file, "nonblocking"),
      "blocking loop": () => sendFromC(file, "blocking"),
      streams: () => sendFromNode(file, "streams"),
    },
    rounds,
    (name, round) => progress(`1 GiB to a socket: ${name}, round ${round + 1}`),
  );
  const cpu = (name: keyof typeof samples) => samples[name].map(({ cpuNs }) => cpuNs / bytes);
  const wall = (name: keyof typeof samples) => samples[name].map(({ wallNs }) => wallNs / 1e9);
  const told = (name: keyof typeof samples) =>
    `${name} ${median(cpu(name)).toFixed(3)} s/GB, ${(bytes / 1e9 / median(wall(name))).toFixed(2)} GB/s`;
  const against = (name: keyof typeof samples, target?: number): Row => ({
    question: `CPU of transfer() / ${name}`,
    unit: "×",
    figure: pairedRatio(cpu("transfer"), cpu(name)),
    ...(target !== undefined && { target }),
    detail: `${told("transfer")}; ${told(name)}`,
  });
  const shares = samples.transfer.flatMap(({ mainThreadShare: share }) => (share === undefined ? [] : [share * 100]));
  return [
    against("sendfile loop", 1.1),
    against("blocking loop"),
    against("streams", 0.35),
    {
      question: "CPU of transfer() on the main thread",
      unit: "%",
      target: 3,
      ...(shares.length > 0 ? { figure: figure(shares) } : { skipped: "the kernel has no schedstat" }),
      detail: "of the process's own, from the first byte to the acknowledgement of the last",
    },
  ];
}

export const largeFile: Suite = async ({ rounds, progress }) => [
  section("1 GiB, resident, to a TCP socket", await rowsOrReason("CPU", () => measure(rounds, progress))),
];
