/** PURE: which mechanisms to try for a pair of ends, in which order, each with its reason. */
import { limits } from "../abi/limits.ts";
import type { Capability } from "./capabilities.ts";
import { type Endpoint, hasPositions, isSameFile, isVirtual } from "./endpoint.ts";
import { errnoNumber } from "../abi/errno.ts";
import { checkEnds, isEmptied, refuse, sameFile } from "./ends-check.ts";
import { TransferError } from "../error.ts";
import type { CacheMode, Strategy } from "./kernel.ts";
import { breaksPromise } from "../lease.ts";
import type { TransferRequest } from "../transfer/request.ts";
import { isRing, strategies } from "./strategies.ts";

export interface Candidate {
  readonly strategy: Strategy;
  readonly reason: string;
}

/** What a transfer is going to do, before it does it. */
export interface Plan {
  readonly source: Endpoint;
  readonly target: Endpoint;
  /** Undefined where the source has no positions. */
  readonly offset: number | undefined;
  /** Bytes to move; undefined is "until the source ends". */
  readonly length: number | undefined;
  /** Whether `length` was there at the start, so that an earlier end is a truncation. */
  readonly owed: boolean;
  readonly targetOffset: number | undefined;
  readonly inline: boolean;
  readonly cache: CacheMode;
  /** As in a job (kernel.ts): for a copy into a new file, whose maker adds it. */
  readonly keepsHoles?: boolean | undefined;
  /** In the order in which they are tried. Never empty. */
  readonly candidates: readonly Candidate[];
  /** The others, each with the reason why it is not tried. */
  readonly rejected: readonly Candidate[];
}

/** What selection asks about a mechanism: on this machine, and between two ends where they are given. */
export type Knowledge = (strategy: Strategy, source?: Endpoint, target?: Endpoint) => Capability;

type Order = readonly Strategy[];

/** Best first, by the kinds of source and target. */
const orders = {
  fileToFile: ["reflink", "copyFileRange", "sendfile", "splice", "buffered", "mapped"],
  fileToPipe: ["splice", "sendfile", "buffered", "mapped"],
  fileToAny: ["sendfile", "splice", "mapped", "buffered"],
  streamToAny: ["splice", "buffered"],
  memoryToSocket: ["buffered", "sendZeroCopy"],
  memoryToPipe: ["buffered", "vmsplice"],
  memoryToAny: ["buffered"],
  ring: ["sharedRing"],
} as const satisfies Record<string, Order>;

/** Pages that a socket or pipe refers to stay in the page cache until the peer has them: copied ones can go at once. */
function orderLeavingNoPages(source: Endpoint, target: Endpoint): Order {
  const order = orderFor(source, target);
  return target.kind === "file" || order === orders.ring
    ? order
    : ["buffered", ...order.filter((strategy) => strategy !== "buffered")];
}

/** What "auto" stands for. */
function automatic(source: Endpoint, target: Endpoint, cache: CacheMode): Order {
  if (cache === "direct") return ["direct"];
  return [...(cache === "dontcache" ? orderLeavingNoPages : orderFor)(source, target), "portable"];
}

function orderFor(source: Endpoint, target: Endpoint): Order {
  if (isRing(source) || isRing(target)) return orders.ring;
  if (source.kind === "memory") return orderForMemory(target);
  if (source.kind !== "file" && source.kind !== "blockDevice") return orders.streamToAny;
  if (target.kind === "file") return orders.fileToFile;
  return target.kind === "pipe" ? orders.fileToPipe : orders.fileToAny;
}

function orderForMemory({ kind }: Endpoint): Order {
  if (kind === "socket") return orders.memoryToSocket;
  return kind === "pipe" ? orders.memoryToPipe : orders.memoryToAny;
}

/** Bytes to move and whether they are there now. A range past the end is cut to what is there. */
function clamp(source: Endpoint, request: TransferRequest): { length: number | undefined; owed: boolean } {
  const { offset, length } = request;
  if (source.size === undefined) return { length, owed: false };
  const available = Math.max(0, source.size - offset);
  return { length: Math.min(length ?? available, available), owed: true };
}

/**
 * Refuses what could not be reported exactly, as open(2) refuses files that are too large for its caller's numbers.
 *
 * @throws TransferError `EOVERFLOW`
 */
export function checkCountable(name: string, end: number): void {
  if (end <= Number.MAX_SAFE_INTEGER) return;
  throw new TransferError(`Cannot send ${name}: it has more bytes than JavaScript can count, 2^53 - 1 (EOVERFLOW)`, {
    code: "EOVERFLOW",
    errno: errnoNumber("EOVERFLOW"),
    failed: "source",
  });
}

/** What the target takes of that. Of a source whose length nobody knows it takes what it has room for. */
function fit(source: Endpoint, target: Endpoint, request: TransferRequest): ReturnType<typeof clamp> {
  const { length, owed } = clamp(source, request);
  const { discards, room } = target;
  if (discards !== undefined) return { length: 0, owed: false };
  if (room === undefined || (length !== undefined && length <= room)) return { length, owed };
  if (length === undefined) return { length: room, owed };
  const detail = `its Content-Length has room for ${room} bytes, not for ${length}`;
  return refuse(source, target, { code: "ERR_HTTP_CONTENT_LENGTH_MISMATCH", detail });
}

function checkOverlap(source: Endpoint, target: Endpoint, offset: number, length: number, at: number): void {
  if (isSameFile(source, target) && length > 0 && offset < at + length && at < offset + length)
    refuse(source, target, { code: "ERR_SLUICE_OVERLAP", detail: `${sameFile} and the ranges overlap` });
}

/** A mechanism that is named alone is used; one of several is left out where measurements speak against it. */
function tooFew(strategy: Strategy, source: Endpoint, request: TransferRequest): string | undefined {
  const { paysFrom } = strategies[strategy];
  if (paysFrom === undefined || request.strategy.length < 2) return undefined;
  const { length = Infinity } = clamp(source, request);
  return length < paysFrom ? `less than ${paysFrom} bytes are copied sooner` : undefined;
}

/** Not where a mechanism is named or the portable path is forbidden: then the engine does what it can. */
function mayLeaveToRuntime({ strategy, fallback, cache }: TransferRequest): boolean {
  return strategy === "auto" && fallback && cache === "normal";
}

/** Why a mechanism is not to be tried, or undefined where it is. */
function objection(
  strategy: Strategy,
  source: Endpoint,
  target: Endpoint,
  request: TransferRequest,
  knowledge: Knowledge,
): string | undefined {
  if (strategy === "portable") {
    if (request.cache !== "normal") return "the runtime's own reads and writes leave pages in the page cache";
    return request.fallback ? undefined : "the portable path is forbidden by fallback: false";
  }
  if (source.readByRuntime !== undefined && mayLeaveToRuntime(request)) return source.readByRuntime;
  for (const end of [source, target]) {
    if (!end.fd) return end.withoutFd ?? `${end.name} has no descriptor`;
    if (isRing(end) && strategy !== "sharedRing") return `${end.name} is memory, which no such call reaches`;
  }
  if (target.announces === true && source.passable === undefined && fit(source, target, request).length === undefined)
    return `the ${target.name} announces its chunks by their length, which nobody knows`;
  if (source.kind === "memory" && request.cache !== "normal") return "memory is in no page cache";
  for (const end of [source, target])
    if (request.cache === "dontcache" && isVirtual(end)) return `nobody tells what ${end.name} has in the page cache`;
  const { ability, reason } = knowledge(strategy);
  if (ability === "no") return reason;
  if (request.strategy === "auto" && strategies[strategy].onlyAsked !== undefined)
    return strategies[strategy].unfit(source, target, request) ?? strategies[strategy].onlyAsked;
  return (
    breaksPromise(strategy, source, target, request) ??
    strategies[strategy].unfit(source, target, request) ??
    tooFew(strategy, source, request)
  );
}

/**
 * What these filesystems answered before spares a call only where another mechanism follows. The last one, and so the
 * only one that was named, is asked each time: the same call ends with the same code, whatever came before it.
 */
function refusedBefore(
  strategy: Strategy,
  source: Endpoint,
  target: Endpoint,
  knowledge: Knowledge,
): string | undefined {
  if (strategy === "portable") return undefined;
  const { ability, reason } = knowledge(strategy, source, target);
  return ability === "no" ? reason : undefined;
}

/**
 * Chooses.
 *
 * @throws TransferError when the ends rule out any transfer (`EISDIR`, `EBADF`, `ENOTCONN`, `ESPIPE`,
 * `ERR_SLUICE_OVERLAP`), or when no allowed mechanism is left (`ERR_SLUICE_UNSUPPORTED`)
 */
export function select(source: Endpoint, target: Endpoint, request: TransferRequest, knowledge: Knowledge): Plan {
  checkEnds(source, target, request);
  const { length, owed } = fit(source, target, request);
  checkCountable(source.name, request.offset + (length ?? 0));
  if (request.targetOffset !== undefined && length !== undefined)
    checkOverlap(source, target, request.offset, length, request.targetOffset);

  const forced = request.strategy !== "auto";
  const wanted: Order = request.strategy === "auto" ? automatic(source, target, request.cache) : request.strategy;
  const objections = wanted.map((strategy) => objection(strategy, source, target, request, knowledge));
  const last = objections.lastIndexOf(undefined);
  const candidates: Candidate[] = [];
  const rejected: Candidate[] = [];
  for (const [index, strategy] of wanted.entries()) {
    const reason = objections[index] ?? (index < last ? refusedBefore(strategy, source, target, knowledge) : undefined);
    if (reason !== undefined) rejected.push({ strategy, reason });
    else candidates.push({ strategy, reason: forced ? "asked for" : strategies[strategy].about });
  }
  if (candidates.length === 0) {
    const list = rejected.map(({ strategy, reason }) => `${strategy}: ${reason}`).join("; ");
    refuse(source, target, { code: "ERR_SLUICE_UNSUPPORTED", detail: `no mechanism is left (${list})` });
  }
  const inline = request.cache === "normal" && isInline(source, target, length);
  const copying = inline && source.kind === "file" && length !== undefined && length <= limits.inline_copy_bytes;
  return {
    source,
    target,
    offset: hasPositions(source) ? request.offset : undefined,
    length,
    owed,
    targetOffset: request.targetOffset,
    inline,
    cache: request.cache,
    candidates: copying && !forced ? bufferedFirst(candidates) : candidates,
    rejected,
  };
}

/** A plan, and whether its target is a file that has to lose its old content first. */
export interface WholePlan {
  readonly plan: Plan;
  readonly emptying: boolean;
}

/**
 * Chooses for a target that may be named as a whole: `emptying` is what {@link isEmptied} says of it.
 *
 * @throws TransferError as {@link select}, and `ERR_SLUICE_OVERLAP`
 */
export function selectWhole(
  source: Endpoint,
  target: Endpoint,
  request: TransferRequest,
  knowledge: Knowledge,
  emptying: boolean = isEmptied(source, target, request),
): WholePlan {
  return { plan: select(source, target, emptying ? { ...request, targetOffset: 0 } : request, knowledge), emptying };
}

/** What the runtime had already read from the source comes first, by its own means; undefined where there is nothing. */
export function carried({ source, candidates }: Plan): Candidate | undefined {
  if (source.buffered === 0 || candidates[0]?.strategy === "portable") return undefined;
  return { strategy: "portable", reason: "the runtime had already read these bytes" };
}

/**
 * A hop to the engine costs tens of µs, so a small body to a socket is tried on the calling thread first, and of a
 * connection what it has in hand.
 */
function isInline(source: Endpoint, target: Endpoint, length: number | undefined): boolean {
  if (source.kind === "socket") return target.kind === "socket" || target.kind === "file";
  const isAtHand = source.kind === "file" || source.kind === "memory";
  return isAtHand && target.kind === "socket" && length !== undefined && length <= limits.inline_bytes;
}

function bufferedFirst(candidates: readonly Candidate[]): readonly Candidate[] {
  const buffered = candidates.find(({ strategy }) => strategy === "buffered");
  if (buffered === undefined) return candidates;
  const reason = "small enough to read and write on the calling thread, if its pages are in memory";
  return [{ strategy: "buffered", reason }, ...candidates.filter((candidate) => candidate !== buffered)];
}
