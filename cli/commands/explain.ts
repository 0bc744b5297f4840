/** `sluice explain FROM TO` */
import { statfsSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { Command } from "commander";
import { type CacheMode, explain, type Explanation, type Strategy } from "sluice";
import {
  codeOf,
  endpoint,
  type Endpoint,
  type EndpointKind,
  explainEnds,
  sampleEndpoint,
  sampleWords,
  sizeIsTrusted,
} from "sluice/internal";
import { cacheOption, jsonOption, lengthOption, offsetOption, strategyOption } from "../arguments.ts";
import { describeFailure, exitCodes, UsageError } from "../exit.ts";
import { formatBytes, table } from "../format.ts";
import { paint, paintDrawing, print, printJson, screenWidth, tell } from "../screen.ts";

interface ExplainOptions {
  readonly strategy?: Strategy;
  readonly cache?: CacheMode;
  readonly offset?: number;
  readonly length?: number;
  readonly ascii?: boolean;
  readonly json?: boolean;
}

export const explainCommand = (): Command =>
  new Command("explain")
    .description("show which mechanisms would be tried between two ends, and draw the path of the bytes")
    .argument("<from>", `a path, or one of ${sampleWords.join(", ")}`)
    .argument("<to>", "likewise; a path need not exist yet")
    .addOption(strategyOption())
    .addOption(cacheOption())
    .addOption(offsetOption())
    .addOption(lengthOption())
    .option("--ascii", "draw with ASCII alone")
    .addOption(jsonOption())
    .action(async (from: string, to: string, options: ExplainOptions) => {
      try {
        const explanation = await explainBetween(from, to, options);
        if (options.json === true) printJson(explanation);
        else print(tellExplanation(explanation, options));
      } catch (error) {
        tell(`sluice: ${describeFailure(`explain ${from} to ${to}`, error).message}`);
        process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
      }
    });

/** Between two paths as the library explains it; a kind stands for an end as it usually is. */
async function explainBetween(
  from: string,
  to: string,
  { strategy, cache, offset, length }: ExplainOptions,
): Promise<Explanation> {
  const asked = { strategy, cache, offset, length };
  if (isPath(from) && isPath(to)) return explain(from, to, asked);
  const target = targetEnd(to);
  return explainEnds(sourceEnd(from), target, { ...asked, targetOffset: target.kind === "file" ? 0 : undefined });
}

const describeEnd = ({ name, kind, size }: Explanation["source"]): string =>
  `${name} (${size === undefined ? kind : `${kind}, ${formatBytes(size)}`})`;

function describeRange({ offset, length }: Explanation): string {
  const much = length === undefined ? "everything to the end" : formatBytes(length);
  return offset === undefined || offset === 0 ? much : `${much} from offset ${offset}`;
}

function tellExplanation(explanation: Explanation, { ascii }: ExplainOptions): string {
  const { source, target, candidates, rejected } = explanation;
  const order = candidates.map(({ strategy, copies, switchesPerRound, reason }, i) => [
    `${i + 1} ${strategy}`,
    copies,
    `${switchesPerRound}`,
    reason,
  ]);
  const parts = [
    `${describeEnd(source)} ${ascii === true ? "->" : "→"} ${describeEnd(target)}: ${describeRange(explanation)}`,
    `${paint("bold", "Tried in this order")}\n${table([["", "copies", "switches", ""], ...order], screenWidth)}`,
  ];
  if (rejected.length > 0) {
    const others = rejected.map(({ strategy, reason }) => [strategy, reason]);
    parts.push(`${paint("bold", "Not tried")}\n${table(others, screenWidth)}`);
  }
  const drawing = explanation.drawing({ width: Math.min(screenWidth, 100), ascii });
  parts.push(`${paint("bold", `By ${candidates[0]?.strategy}`)}\n\n${paintDrawing(drawing)}`);
  return parts.join("\n\n");
}

/** An end as a source. A word is a kind; whatever contains a slash is a path. */
function sourceEnd(text: string): Endpoint {
  return sampleOf(text) ?? pathEnd(text);
}

/** An end as a target, where a path need not exist yet. */
function targetEnd(text: string): Endpoint {
  const sample = sampleOf(text);
  if (sample !== undefined) return sample;
  try {
    return pathEnd(text);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    return { ...pathEnd(dirname(text)), kind: "file", name: text, size: 0, allocated: 0 };
  }
}

/** Whether it is a path; one of the current folder whose name is a word for a kind needs a slash. */
function isPath(text: string): boolean {
  return sampleOf(text) === undefined;
}

function sampleOf(text: string): Endpoint | undefined {
  if (text.includes("/")) return undefined;
  const sample = sampleEndpoint(text);
  if (sample === undefined && statSync(text, { throwIfNoEntry: false }) === undefined)
    throw new UsageError(`"${text}" is no path here and none of ${sampleWords.join(", ")}`);
  return sample;
}

const kinds: readonly (readonly [EndpointKind, (facts: Stats) => boolean])[] = [
  ["file", (facts) => facts.isFile()],
  ["directory", (facts) => facts.isDirectory()],
  ["pipe", (facts) => facts.isFIFO()],
  ["charDevice", (facts) => facts.isCharacterDevice()],
  ["blockDevice", (facts) => facts.isBlockDevice()],
];

function pathEnd(path: string): Endpoint {
  const facts = statSync(path);
  const [kind] = kinds.find(([, holds]) => holds(facts)) ?? ["other" as const];
  const filesystem = statfsSync(path).type;
  return endpoint({
    kind,
    name: path,
    size: kind === "file" && sizeIsTrusted(filesystem, facts.size) ? facts.size : undefined,
    allocated: facts.blocks * 512,
    identity: { device: BigInt(facts.dev), inode: BigInt(facts.ino) },
    filesystem,
  });
}
