/** The plan of a transfer told to a person: what would be tried and why, and the way of the bytes. */
import type { Endpoint, EndpointKind } from "../plan/endpoint.ts";
import type { CacheMode, Copied, Strategy } from "../plan/kernel.ts";
import { type Candidate, carried, type Plan } from "../plan/select.ts";
import { strategies } from "../plan/strategies.ts";
import { cpuCopies, draw, type DrawingOptions, modeSwitches, type Path } from "./drawing.ts";
import { pathOf } from "./routes.ts";

export interface ExplainedEnd {
  readonly name: string;
  readonly kind: EndpointKind;
  /** Bytes; undefined where there is no size. */
  readonly size: number | undefined;
}

export interface ExplainedCandidate {
  readonly strategy: Strategy;
  readonly reason: string;
  /** CPU copies of each byte between these two ends, in words: "0", "2", "0 or 1". */
  readonly copies: string;
  /** Switches from user mode to the kernel and back in a round. */
  readonly switchesPerRound: number;
  /** The system calls of a round, in their order. */
  readonly syscalls: readonly string[];
  /** What a report would say of it. */
  readonly copied: Copied;
}

export interface Explanation {
  readonly source: ExplainedEnd;
  readonly target: ExplainedEnd;
  /** Bytes from the start of the source; undefined where it has no positions. */
  readonly offset: number | undefined;
  /** Bytes that would be moved; undefined is "until the source ends". */
  readonly length: number | undefined;
  /** How the page cache would be treated. */
  readonly cache: CacheMode;
  /** In the order in which they would be tried. */
  readonly candidates: readonly ExplainedCandidate[];
  readonly rejected: readonly Candidate[];
  /** The way of the bytes by the first candidate, for a terminal. */
  drawing(options?: DrawingOptions): string;
}

/** Explains a plan. Nothing is opened, read or moved. */
export function explainPlan(plan: Plan): Explanation {
  const { source, target, offset, length, cache, rejected } = plan;
  const first = carried(plan);
  const candidates = first === undefined ? plan.candidates : [first, ...plan.candidates];
  return {
    source: explainEnd(source),
    target: explainEnd(target),
    offset,
    length,
    cache,
    candidates: candidates.map((candidate) => explainCandidate(candidate, source, target)),
    rejected,
    drawing(options) {
      const [chosen] = plan.candidates;
      return chosen === undefined ? "" : draw(withCache(pathOf(chosen.strategy, source, target), cache), options);
    },
  };
}

const cacheNotes: Partial<Record<CacheMode, string>> = {
  dontcache: "What was not in the page cache before is dropped from it again.",
};

function withCache(path: Path, cache: CacheMode): Path {
  const note = cacheNotes[cache];
  return note === undefined ? path : { ...path, notes: [...path.notes, note] };
}

function explainEnd({ name, kind, size }: Endpoint): ExplainedEnd {
  return { name, kind, size };
}

function explainCandidate({ strategy, reason }: Candidate, source: Endpoint, target: Endpoint): ExplainedCandidate {
  const path = pathOf(strategy, source, target);
  return {
    strategy,
    reason,
    copies: cpuCopies(path),
    switchesPerRound: modeSwitches(path),
    syscalls: path.calls,
    copied: strategies[strategy].copied(source, target),
  };
}
