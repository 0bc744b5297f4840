/** Each claim of the articles that this project began with, beside what this kernel does. */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Finding, answered, articles as sources } from "../articles/article.ts";
import { kernelClaims, truncationClaims } from "../articles/calls.ts";
import { offloadClaims } from "../articles/edits.ts";
import { methodFindings } from "../articles/methods.ts";
import { scratchFolder, writePayload } from "../support/files.ts";
import { helper } from "../support/programs.ts";
import type { Claim } from "../report/schema.ts";
import type { Setting, Suite } from "../support/rows.ts";
import { alternate, median } from "../support/stats.ts";

const run = promisify(execFile);

/** A file from one process to another, the article's own contest: see bench/c/two_processes.c. `ipc` has more contenders. */
const quickBytes = 256 * 2 ** 20;
const articleBytes = 1.4e9;

const ways = { pipe: "read and write through a pipe", shared: "mmap and shared memory", splice: "splice" } as const;
type Way = keyof typeof ways;
type WayTimes = Readonly<Record<Way, readonly number[]>>;

const experimentOf = (bytes: number, rounds: number) =>
  `Two processes in C on one filesystem, ${(bytes / 1e9).toFixed(2)} GB, resident, ${rounds} rounds in turns with the article’s sizes; wall-clock time until both are done.`;

const questionsFor = (experiment: string) => [
  {
    article: sources.processes,
    claim: "splice beats the other two by 30 to 55 %.",
    experiment,
  },
  {
    article: sources.processes,
    claim: "mmap with shared memory comes second; read and write through a pipe are beaten by both.",
    experiment,
  },
];

function answersTo(times: WayTimes, bytes: number): Finding[] {
  const middle = (way: Way) => median([...times[way]]);
  const gain = (than: Way) => 1 - middle("splice") / middle(than);
  const told = (Object.keys(ways) as Way[])
    .map((way) => {
      const [low, high] = [Math.min(...times[way]), Math.max(...times[way])].map((ns) => (ns / 1e9).toFixed(2));
      return `${ways[way]} ${(middle(way) / 1e9).toFixed(2)} s (${low}–${high}), ${(bytes / middle(way)).toFixed(2)} GB/s`;
    })
    .join("; ");
  const ahead = [gain("pipe"), gain("shared")];
  return [
    {
      measured: `${told}. splice takes ${(gain("pipe") * 100).toFixed(0)} % less than the pipe and ${(gain("shared") * 100).toFixed(0)} % less than shared memory.`,
      verdict: ahead.every((share) => share >= 0.3)
        ? "holds"
        : ahead.some((share) => share > 0)
          ? "holds in part"
          : "out of date",
      comment:
        "Into a file, splice still copies: SPLICE_F_MOVE, which should hand pages over, has done nothing since 2.6.21. What it spares is the copy on the way out of the first file.",
    },
    {
      measured: told,
      verdict: middle("shared") < middle("pipe") ? "holds" : "out of date",
      comment:
        "Shared memory without synchronisation, as in the article, copies whatever is there, so that its time is no transfer’s; in step (the suite ipc) each piece costs a wait.",
    },
  ];
}

/** One round says nothing of which of two is faster. */
const leastRounds = 3;

export function processClaims({ rounds: wanted, full, progress }: Setting): Promise<Claim[]> {
  const rounds = Math.max(wanted, leastRounds);
  const bytes = full === true ? articleBytes : quickBytes;
  return answered(questionsFor(experimentOf(bytes, rounds)), async () => {
    const program = await helper("two_processes");
    const folder = await scratchFolder(tmpdir(), 2.2 * bytes);
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    await writePayload(from, bytes);
    const contender = (way: Way) => async () => {
      await rm(to, { force: true });
      await run("sync", ["--file-system", from]);
      const sizes = way === "pipe" ? [65_536, 0] : [];
      const { stdout } = await run(program, [way, from, to, ...[bytes, ...sizes].map(String)]);
      return Number(stdout.split(" ")[0]);
    };
    const contenders = { pipe: contender("pipe"), shared: contender("shared"), splice: contender("splice") };
    const say = (name: Way) => progress(`between processes: ${name}`);
    await alternate(contenders, 1, say);
    const times = await alternate(contenders, rounds, say);
    await rm(folder, { recursive: true });
    return answersTo(times, bytes);
  });
}

export const articles: Suite = async (setting) => {
  const { sections, claims } = await methodFindings(setting);
  setting.progress("truncating files that are being sent");
  const truncated = await truncationClaims();
  const allowed = await kernelClaims();
  setting.progress("sending through devices with and without scatter/gather");
  const offloads = await offloadClaims();
  const between = await processClaims(setting);
  return [
    { title: "Ways of the bytes", claims },
    { title: "Scatter/gather", claims: offloads },
    { title: "Files that are cut while they are sent", claims: truncated },
    { title: "What the calls take and do", claims: allowed },
    { title: "Between processes", claims: between },
    ...sections,
  ];
};
