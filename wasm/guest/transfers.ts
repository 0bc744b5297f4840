/** Core's plan and loop over files of wasi:filesystem, driven without a promise. */
import { now } from "wasi:clocks/monotonic-clock@0.2.12";
import type { Descriptor, DescriptorStat, MetadataHashValue } from "wasi:filesystem/types@0.2.12";
import { Capabilities, type Capability } from "#core/plan/capabilities.js";
import { type Endpoint, endpoint } from "#core/plan/endpoint.js";
import { argumentError, TransferError } from "#core/error.js";
import { type Explanation, explainPlan } from "#core/explain/explanation.js";
import type { Strategy } from "#core/plan/kernel.js";
import type { Report } from "#core/transfer/report.js";
import { checkOptions, type TransferRequest, type TransferOptions } from "#core/transfer/request.js";
import { type Plan, select, selectWhole } from "#core/plan/select.js";
import { strategyNames } from "#core/plan/strategies.js";
import { driveSync, transferLoop } from "#core/transfer/loop.js";
import { attempt, callFailed, errnoOf } from "./errors.ts";
import { close, describe, inspectPair, moveBuffered, paired, withoutEngine } from "./files.ts";
import { openPlace, type Place, placeOf } from "./places.ts";

const known = new Capabilities();
for (const strategy of strategyNames)
  if (strategy === "portable") known.declare(strategy, "yes", "positional reads and writes of wasi:filesystem");
  else known.declare(strategy, "no", withoutEngine);

const knowledge = (strategy: Strategy): Capability => known.of(strategy);

export const engine = { ability: "no", reason: withoutEngine } as const;

export function strategiesHere(): Record<string, Capability> {
  return Object.fromEntries(strategyNames.map((name) => [name, known.of(name)]));
}

interface Target {
  readonly file: Descriptor;
  readonly created: boolean;
}

/** The flags to try in turn: a new file first, so that one made in vain can be taken away again. */
const targetFlags = [{ create: true, exclusive: true }, {}, { create: true }] as const;

function openTarget(place: Place): Target {
  const { name, folder, path } = place;
  for (const flags of targetFlags.slice(0, -1)) {
    try {
      const created = "create" in flags;
      return { file: folder.openAt({ symlinkFollow: !created }, path, flags, { write: true }), created };
    } catch (thrown) {
      const code = errnoOf(thrown);
      // EEXIST: it is there; ENOENT: it was, or it is a link to nowhere yet.
      if (code !== "EEXIST" && code !== "ENOENT") break;
    }
  }
  return { file: openPlace({ name, folder, path }, { create: true }, { write: true }), created: false };
}

/** Moves what a plan says between two open files. */
export function run(plan: Plan, source: Descriptor, target: Descriptor, started: number): Report {
  const account = driveSync(transferLoop(plan, known), (job) => moveBuffered(job, source, target));
  return { ...account, leaseBroken: false, durationNs: now() - started };
}

export function transfer(from: string, to: string, options: TransferOptions): Report {
  const started = now();
  const request = checkOptions(options);
  const sourcePlace = placeOf("source", from);
  const targetPlace = placeOf("target", to);
  const source = openPlace(sourcePlace, {}, { read: true });
  let target: Target | undefined;
  let touched = false;
  try {
    // What can refuse does so before anything is made.
    planAhead(sourcePlace, targetPlace, request);
    target = openTarget(targetPlace);
    const { file, created } = target;
    const { plan, emptying } = selectWhole(...inspectPair(source, from, file, to), request, knowledge);
    touched = true;
    if (emptying && !created) file.setSize(0);
    return run(plan, source, file, started);
  } finally {
    close(target?.file);
    close(source);
    if (target?.created && !touched) targetPlace.folder.unlinkFileAt(targetPlace.path);
  }
}

/** Says so as selection would. */
function refuseDirectory(source: Endpoint, to: string): void {
  if (source.kind === "directory") select(source, newFile(to), checkOptions(), knowledge);
}

const newFile = (name: string): Endpoint =>
  endpoint({ kind: "file", name, fd: false, withoutFd: withoutEngine, size: 0 });

/** What a place is and what tells it from others, without opening it. */
function lookAt({ name, folder, path }: Place): { readonly stat: DescriptorStat; readonly hash: MetadataHashValue } {
  return attempt(`open ${name}`, "openat", () => ({
    stat: folder.statAt({ symlinkFollow: true }, path),
    hash: folder.metadataHashAt({ symlinkFollow: true }, path),
  }));
}

/** A target as it is; undefined where it would be made. */
function lookAtTarget(place: Place): ReturnType<typeof lookAt> | undefined {
  const isChangeable = attempt(`open ${place.name}`, "openat", () => place.folder.getFlags()).mutateDirectory === true;
  if (!isChangeable) throw callFailed(`open ${place.name}`, "openat", "read-only");
  try {
    return lookAt(place);
  } catch (error) {
    if (!(error instanceof TransferError) || error.code !== "ENOENT") throw error;
  }
  const { type } = lookAt({ ...place, path: place.path.replace(/[^/]*$/, "") || "." }).stat;
  if (type !== "directory") throw callFailed(`open ${place.name}`, "openat", "not-directory");
  return undefined;
}

/** The plan of a transfer by what its places are now, without opening them. */
function planAhead(from: Place, to: Place, request: TransferRequest): Plan {
  const source = lookAt(from);
  const one = describe(source.stat, from.name, false);
  refuseDirectory(one, to.name);
  const target = lookAtTarget(to);
  const other = target === undefined ? newFile(to.name) : describe(target.stat, to.name, true);
  const isSame = target?.hash.lower === source.hash.lower && target?.hash.upper === source.hash.upper;
  return selectWhole(...paired(one, other, isSame), request, knowledge).plan;
}

export function explain(from: string, to: string, options: TransferOptions): Explanation {
  const request = checkOptions(options);
  return explainPlan(planAhead(placeOf("source", from), placeOf("target", to), request));
}

/** The whole of one regular file into another, which is new and empty. */
export function fill(source: Descriptor, from: string, target: Descriptor, to: string, started: number): Report {
  const [one, other] = inspectPair(source, from, target, to);
  if (one.kind === "file")
    return run(select(one, other, checkOptions({ targetOffset: 0 }), knowledge), source, target, started);
  refuseDirectory(one, to);
  throw argumentError("ERR_INVALID_ARG_VALUE", `source must be a regular file: ${from} is a ${one.kind}`);
}
