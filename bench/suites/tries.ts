/** What might beat the engine's choices, each in plain C and in turns: the data behind docs/performance.md. */
import { scratchFile } from "../support/files.ts";
import { helper, start } from "../support/programs.ts";
import { type Row, rowsOrReason, section, type Suite } from "../support/rows.ts";
import { figure, median, pairedRatio } from "../support/stats.ts";

interface WaySample {
  readonly wallNs: number;
  readonly cpuNs: number;
  /** System calls or segments. */
  readonly count: number;
}

interface WayOutcome {
  readonly samples: WaySample[];
  refusal?: string;
}

/** Samples by way, in the order in which the helper takes them: it prints "WAY WALL CPU COUNT" or "WAY - REFUSAL". */
async function contest(name: string, args: readonly (string | number)[]): Promise<Map<string, WayOutcome>> {
  const output = await start(await helper(name), args.map(String)).output;
  const outcomes = new Map<string, WayOutcome>();
  for (const line of output.trim().split("\n")) {
    const [way = "", wall = "", ...rest] = line.split(" ");
    const outcome = outcomes.get(way) ?? { samples: [] };
    outcomes.set(way, outcome);
    if (wall === "-") outcome.refusal = rest.join(" ");
    else outcome.samples.push({ wallNs: Number(wall), cpuNs: Number(rest[0]), count: Number(rest[1]) });
  }
  return outcomes;
}

/** A row a way: its CPU beside the engine's choice of today. */
function rowsOf(
  outcomes: Map<string, WayOutcome>,
  today: string,
  tell: (samples: readonly WaySample[]) => string,
): Row[] {
  const base = outcomes.get(today)?.samples.map(({ cpuNs }) => cpuNs) ?? [];
  return [...outcomes].map(([way, { samples, refusal }]) =>
    refusal === undefined
      ? {
          question: `CPU of ${way} / ${today}`,
          unit: "×",
          figure:
            way === today
              ? figure([1])
              : pairedRatio(
                  samples.map(({ cpuNs }) => cpuNs),
                  base,
                ),
          detail: tell(samples),
        }
      : { question: way, unit: "×", skipped: refusal },
  );
}

const bulkBytes = 268_435_456;

async function bulk(rounds: number): Promise<Row[]> {
  const outcomes = await contest("ways", [await scratchFile(bulkBytes), bulkBytes, rounds]);
  return rowsOf(outcomes, "sendfile-2M", (samples) => {
    const of = (name: keyof WaySample) => median(samples.map((sample) => sample[name]));
    const gigabytes = bulkBytes / 1e9;
    return `${(of("cpuNs") / 1e9 / gigabytes).toFixed(3)} s/GB, ${(gigabytes / (of("wallNs") / 1e9)).toFixed(1)} GB/s, ${(of("count") / gigabytes).toFixed(0)} calls/GB`;
  });
}

const answers = 10_000;

async function heads(rounds: number, body: number): Promise<Row[]> {
  const outcomes = await contest("heads", [await scratchFile(body), body, answers, rounds]);
  return rowsOf(outcomes, "msg-more", (samples) => {
    const of = (name: keyof WaySample) => median(samples.map((sample) => sample[name])) / answers;
    return `${(of("cpuNs") / 1000).toFixed(1)} µs of CPU, ${(of("wallNs") / 1000).toFixed(1)} µs, ${of("count").toFixed(1)} segments an answer`;
  });
}

export const tries: Suite = async ({ rounds, progress }) => {
  progress("ways to send a file");
  const sections = [section("256 MiB over TCP, plain C", await rowsOrReason("ways", () => bulk(rounds)))];
  for (const body of [1024, 16_384, 65_536]) {
    progress(`a head and ${body} bytes`);
    sections.push(
      section(`A head and ${body / 1024} KiB, plain C`, await rowsOrReason("heads", () => heads(rounds, body))),
    );
  }
  return sections;
};
