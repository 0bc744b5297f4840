/** Files as memory: what a read costs beside one of a plain ArrayBuffer, a scan beside fs.readFileSync, and a mapping by itself. */
import type { MapInput, MapOutput } from "../subjects/mapping.ts";
import { scratchFile } from "../support/files.ts";
import { type Row, rowsOrReason, section, type Suite } from "../support/rows.ts";
import { alternate, figure, median, pairedRatio } from "../support/stats.ts";
import { runTask } from "../support/task.ts";

const mebibyte = 2 ** 20;
const bytes = 2 ** 30;
const smallBytes = 4 * mebibyte;

async function contest(work: MapInput["work"], file: string, rounds: number, progress: (text: string) => void) {
  const run = (memory: MapInput["memory"]) => () => runTask("map", { file, memory, work });
  return alternate({ mapped: run("mapped"), buffer: run("buffer") }, rounds, (name, round) =>
    progress(`${work}: ${name}, round ${round + 1}`),
  );
}

const times = (outputs: readonly MapOutput[]) => outputs.map(({ ns }) => ns);

function randomReads(size: string, { mapped, buffer }: Record<MapInput["memory"], readonly MapOutput[]>): Row {
  return {
    question: `random reads of ${size}: mapped / ArrayBuffer`,
    unit: "×",
    figure: pairedRatio(times(mapped), times(buffer)),
    target: 1.05,
    detail: `${median(times(mapped)).toFixed(2)} ns; ${median(times(buffer)).toFixed(2)} ns a read`,
  };
}

async function measure(rounds: number, progress: (text: string) => void): Promise<Row[]> {
  const file = await scratchFile(bytes);
  const small = await contest("random", await scratchFile(smallBytes), rounds, progress);
  const large = await contest("random", file, rounds, progress);
  const scans = await contest("scan", file, rounds, progress);
  progress("map() and close()");
  const opening: MapOutput[] = [];
  for (let round = 0; round < rounds; round++)
    opening.push(await runTask("map", { file, memory: "mapped", work: "open" }));
  const own = (outputs: readonly MapOutput[]) => median(outputs.map(({ ownBytes }) => ownBytes)) / mebibyte;
  const rss = (outputs: readonly MapOutput[]) => median(outputs.map(({ rssBytes }) => rssBytes)) / mebibyte;
  return [
    randomReads("4 MiB", small),
    // Here the processor's page tables are measured: 4 KiB pages of a file against the huge pages of anonymous memory.
    randomReads("1 GiB", large),
    {
      question: "scan: map() / readFileSync()",
      unit: "×",
      figure: pairedRatio(times(scans.mapped), times(scans.buffer)),
      detail: `${(median(times(scans.mapped)) / 1e6).toFixed(0)} ms; ${(median(times(scans.buffer)) / 1e6).toFixed(0)} ms`,
    },
    {
      question: "memory of its own after a scan, mapped",
      unit: "MiB",
      figure: figure(scans.mapped.map(({ ownBytes }) => ownBytes / mebibyte)),
      detail: `readFileSync() ${own(scans.buffer).toFixed(0)} MiB; RSS ${rss(scans.mapped).toFixed(0)} MiB (pages of the cache included), ${rss(scans.buffer).toFixed(0)} MiB`,
    },
    {
      question: "map() and close() under the guard",
      unit: "ms",
      figure: figure(times(opening).map((ns) => ns / 1e6)),
      detail: `${(median(times(opening)) / 1e3).toFixed(1)} µs each`,
    },
  ];
}

export const map: Suite = async ({ rounds, progress }) => [
  section("1 GiB, resident, as memory", await rowsOrReason("mapped files", () => measure(rounds, progress))),
];
