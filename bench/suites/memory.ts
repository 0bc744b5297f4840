/** Memory as a source, by size: what is gained by letting the kernel refer to it, and from where on. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import type { MemoryInput, MemoryMethod, Stage, StageOutput } from "../subjects/memory.ts";
import { sizeName } from "../support/contest.ts";
import { scratchFolder } from "../support/files.ts";
import { helper, start } from "../support/programs.ts";
import { type Section, sectionsOrReason, type Suite } from "../support/rows.ts";
import { alternate, median, pairedRatio } from "../support/stats.ts";
import { runTask } from "../support/task.ts";
import { openVeth, type Veth } from "../support/veth.ts";

const kibibyte = 1024;
const stages: readonly Stage[] = [4, 16, 64, 256, 1024, 4096, 16_384, 65_536].map((size) => ({
  bytes: size * kibibyte,
  count: Math.max(2, Math.min(500, Math.floor(65_536 / size))),
}));

/** Untimed: what is measured is not the interpreter. */
const warmup: Stage = { bytes: 128 * kibibyte, count: 200 };

/** Up to this size transfer() takes a copy, so that there is nothing to refer to. */
const copiedBytes = 64 * kibibyte;

const contenders = ["C copy", "C reference", "write", "auto", "reference"] as const;
type MemoryContender = (typeof contenders)[number];

/** How a target's reader is reached. */
interface Destination {
  readonly title: string;
  /** A TCP connection, or a pipe to a reader of this kind. */
  readonly target: "socket" | "read" | "splice";
  /** Where the reader of a connection runs; undefined: here, over loopback. */
  readonly veth?: Veth;
}

const destinations = [
  { title: "to a TCP connection over loopback", target: "socket" },
  { title: "to a pipe whose reader reads", target: "read" },
  { title: "to a pipe whose reader splices on", target: "splice" },
] as const satisfies readonly Destination[];

const listed = stages.map(({ bytes, count }) => `${bytes}:${count}`);

/** Connects the reader, and resolves when it has read all. */
async function readFrom(port: string, { veth }: Destination, sent: readonly Stage[]): Promise<unknown> {
  const [command = "", ...args] = [...(veth?.far ?? []), await helper("reader")];
  const at = veth === undefined ? port : `${veth.address}:${port}`;
  const acknowledged = sent.flatMap(({ bytes, count }) => Array.from({ length: count }, () => String(bytes)));
  return start(command, [...args, at, "1", ...acknowledged]).output;
}

function parse(text: string): StageOutput[] {
  const lines = text.trim().split("\n");
  if (lines.length !== stages.length) throw new Error(`memory_loop printed ${text}`);
  return lines.map((line) => {
    const [wallNs = Number.NaN, cpuNs = Number.NaN, copied = 0] = line.split(" ").map(Number);
    return { wallNs, cpuNs, copied: copied > 0 ? "yes" : "no" };
  });
}

async function runLoop(how: "copy" | "reference", destination: Destination): Promise<StageOutput[]> {
  const loop = await helper("memory_loop");
  const isSocket = destination.target === "socket";
  const sender = spawn(loop, [isSocket ? "socket" : "pipe", how, ...listed], { stdio: ["pipe", "pipe", "pipe"] });
  let told = "";
  sender.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
  const closed = once(sender, "close");
  if (isSocket) {
    const [line] = (await once(sender.stdout, "data")) as [Buffer];
    await readFrom(line.toString().trim(), destination, stages);
  }
  await closed;
  return parse(told);
}

/** A pipe has to be one: what spawn() calls so are sockets. */
async function runPipeLoop(how: "copy" | "reference", reader: "read" | "splice"): Promise<StageOutput[]> {
  const loop = await helper("memory_loop");
  // The sender's input is the reader's output, through a FIFO without a name of its own.
  const script = `mkfifo "$2/back-$$" && exec 9<>"$2/back-$$" && rm "$2/back-$$" && list="$3" &&
    "$0" pipe ${how} $list <&9 9<&- | "$0" drain "$1" $list >&9`;
  const folder = await scratchFolder(tmpdir(), 0);
  const child = spawn("sh", ["-c", script, loop, reader, folder, listed.join(" ")], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
  await once(child, "close");
  return parse(told);
}

async function runTransfer(method: MemoryMethod, destination: Destination): Promise<StageOutput[]> {
  const { target } = destination;
  const used = method === "reference" ? stages.filter(({ bytes }) => bytes > copiedBytes) : stages;
  const skipped = stages.slice(0, stages.length - used.length);
  const input = async (): Promise<MemoryInput> => ({
    method,
    warmup,
    stages: used,
    target:
      target === "socket"
        ? target
        : { drain: await helper("memory_loop"), how: target, folder: await scratchFolder(tmpdir(), 0) },
  });
  const outputs = await runTask("memory", await input(), {
    onPort: (port) => readFrom(String(port), destination, [warmup, ...used]),
  });
  return [...skipped.map(() => ({ wallNs: Number.NaN, cpuNs: Number.NaN, copied: undefined })), ...outputs];
}

function run(contender: MemoryContender, destination: Destination): Promise<StageOutput[]> {
  if (contender === "write" || contender === "auto" || contender === "reference")
    return runTransfer(contender, destination);
  const how = contender === "C copy" ? "copy" : "reference";
  return destination.target === "socket" ? runLoop(how, destination) : runPipeLoop(how, destination.target);
}

/** A gain has to show above the noise, at this size and all above it. */
const worthwhile = 0.95;

/** The least size from which on referring is faster, or takes less of the processor, in the median of the rounds. */
function threshold(ratios: readonly number[]): string {
  const losses = ratios.flatMap((ratio, index) => (ratio <= worthwhile ? [] : [index]));
  const first = stages[(losses.at(-1) ?? -1) + 1];
  return first === undefined ? "none up to 64 MiB" : `from ${sizeName(first.bytes)}`;
}

async function measure(destination: Destination, rounds: number, progress: (text: string) => void): Promise<Section> {
  const samples = await alternate(
    Object.fromEntries(contenders.map((name) => [name, () => run(name, destination)])) as Record<
      MemoryContender,
      () => Promise<StageOutput[]>
    >,
    rounds,
    (name, round) => progress(`memory ${destination.title}: ${name}, round ${round + 1}`),
  );
  const column = (name: MemoryContender, index: number, of: "wallNs" | "cpuNs") =>
    samples[name].map((outputs) => outputs[index]?.[of] ?? Number.NaN);
  const ratiosOf = (of: "wallNs" | "cpuNs", by: MemoryContender, base: MemoryContender) =>
    stages.map((_, index) => pairedRatio(column(by, index, of), column(base, index, of)).median);
  const data = stages.map(({ bytes, count }, index) => ({
    bytes,
    ...Object.fromEntries(
      contenders.map((name) => [
        name,
        {
          microseconds: median(column(name, index, "wallNs")) / count / 1e3,
          cpuSecondsPerGB: median(column(name, index, "cpuNs")) / (count * bytes),
          copied: samples[name][0]?.[index]?.copied,
        },
      ]),
    ),
  }));
  const cell = (name: MemoryContender, index: number, { bytes, count }: Stage) => {
    const us = median(column(name, index, "wallNs")) / count / 1e3;
    if (Number.isNaN(us)) return "copied";
    const cpu = median(column(name, index, "cpuNs")) / (count * bytes);
    return `${us.toFixed(us < 100 ? 1 : 0)} µs, ${cpu.toFixed(3)}`;
  };
  const thresholds = {
    time: threshold(ratiosOf("wallNs", "C reference", "C copy")),
    cpu: threshold(ratiosOf("cpuNs", "C reference", "C copy")),
    timeByTransfer: threshold(ratiosOf("wallNs", "reference", "auto")),
    cpuByTransfer: threshold(ratiosOf("cpuNs", "reference", "auto")),
  };
  const copied = samples["C reference"][0]?.at(-1)?.copied;
  return {
    title: `Memory ${destination.title}: µs each until the peer has it, CPU-s/GB of the sender (median of ${rounds})`,
    table: {
      head: ["size", ...contenders],
      cells: [
        ...stages.map((stage, index) => [sizeName(stage.bytes), ...contenders.map((name) => cell(name, index, stage))]),
        ["reference is faster", "", thresholds.time, "", "", thresholds.timeByTransfer],
        ["reference takes less CPU", "", thresholds.cpu, "", "", thresholds.cpuByTransfer],
        ...(destination.target === "socket" ? [["the kernel's notices: copied", "", copied ?? "", "", "", ""]] : []),
      ],
    },
    data: { sizes: data, thresholds },
  };
}

const overVeth = "to a TCP connection over a veth pair";

export const memory: Suite = async ({ rounds, progress }) => {
  const sections: Section[] = [];
  for (const destination of destinations) sections.push(await measure(destination, rounds, progress));
  const far = await sectionsOrReason(`Memory ${overVeth}`, async () => {
    await using veth = await openVeth();
    return [await measure({ title: overVeth, target: "socket", veth }, rounds, progress)];
  });
  return [...sections, ...far];
};
