/** The two ends that `explain` is given: a kind by its word, or a path. Nothing is opened or created. */
import { type Stats, statSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { type Endpoint, endpoint, type EndpointKind, sizeIsTrusted } from "../core/plan/endpoint.ts";
import { sampleEndpoint, sampleWords } from "../core/plan/explain.ts";
import { UsageError } from "./exit.ts";
import { isNotFound } from "./target.ts";

/** An end as a source. A word is a kind; whatever contains a slash is a path. */
export function sourceEnd(text: string): Endpoint {
  return sampleOf(text) ?? pathEnd(text);
}

/** An end as a target, where a path need not exist yet. */
export function targetEnd(text: string): Endpoint {
  const sample = sampleOf(text);
  if (sample !== undefined) return sample;
  try {
    return pathEnd(text);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return { ...pathEnd(dirname(text)), kind: "file", name: text, size: 0, allocated: 0 };
  }
}

/** Whether it is a path; one of the current folder whose name is a word for a kind needs a slash. */
export function isPath(text: string): boolean {
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
