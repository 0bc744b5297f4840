/** `sluice explain FROM TO` */
import process from "node:process";
import { Command } from "commander";
import { type ExplainedEnd, explainPlan, type Explanation, sampleWords } from "../../core/plan/explain.ts";
import type { CacheMode, Strategy } from "../../core/plan/kernel.ts";
import { checkOptions } from "../../core/transfer/request.ts";
import { select } from "../../core/plan/select.ts";
import { capabilities, explain } from "../../adapters/node.ts";
import { cacheOption, jsonOption, lengthOption, offsetOption, strategyOption } from "../arguments.ts";
import { isPath, sourceEnd, targetEnd } from "../ends.ts";
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
        const explanation = await explainEnds(from, to, options);
        if (options.json === true) printJson(explanation);
        else print(tellExplanation(explanation, options));
      } catch (error) {
        tell(`sluice: ${describeFailure(`explain ${from} to ${to}`, error).message}`);
        process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
      }
    });

/** Between two paths as the library explains it; a kind stands for an end as it usually is. */
async function explainEnds(
  from: string,
  to: string,
  { strategy, cache, offset, length }: ExplainOptions,
): Promise<Explanation> {
  const asked = { strategy, cache, offset, length };
  if (isPath(from) && isPath(to)) return explain(from, to, asked);
  const target = targetEnd(to);
  const request = checkOptions({ ...asked, targetOffset: target.kind === "file" ? 0 : undefined });
  const known = capabilities().strategies;
  return explainPlan(select(sourceEnd(from), target, request, (name) => known[name]));
}

const describeEnd = ({ name, kind, size }: ExplainedEnd): string =>
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
