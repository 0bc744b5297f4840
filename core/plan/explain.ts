/** The plan of a transfer told to a person: what would be tried and why, and the way of the bytes. */
import {
  cpuCopies,
  draw,
  type DrawingOptions,
  type Hop,
  type HopCost,
  modeSwitches,
  type Path,
  type Place,
} from "./drawing.ts";
import { endpoint, type Endpoint, type EndpointKind } from "./endpoint.ts";
import type { CacheMode, Strategy } from "./kernel.ts";
import type { Copied } from "../transfer/report.ts";
import { type Candidate, carried, type Plan } from "./select.ts";
import { strategies } from "./strategies.ts";

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

/** Where the bytes of an end lie, and how it takes them: by page references, and from a buffer of user space. */
interface EndRow {
  readonly label: string;
  readonly lane: "user" | "kernel";
  readonly hardware?: string;
  readonly takesPages: HopCost;
  readonly takesBuffer: HopCost;
  /** On what a "maybe" depends. */
  readonly note?: string;
}

const pageCache: EndRow = {
  label: "page cache",
  lane: "kernel",
  hardware: "disk",
  takesPages: "copy",
  takesBuffer: "copy",
};

const device: EndRow = {
  label: "device",
  lane: "kernel",
  takesPages: "maybe",
  takesBuffer: "copy",
  note: "Whether a device copies is up to its driver; /dev/null does not.",
};

const ends: Readonly<Record<EndpointKind, EndRow>> = {
  file: pageCache,
  directory: pageCache,
  blockDevice: pageCache,
  socket: {
    label: "socket buffer",
    lane: "kernel",
    hardware: "NIC",
    takesPages: "maybe",
    takesBuffer: "copy",
    note: "No copy where the NIC gathers pages by itself (scatter/gather).",
  },
  pipe: { label: "pipe", lane: "kernel", takesPages: "reference", takesBuffer: "copy" },
  charDevice: device,
  other: device,
  memory: { label: "memory", lane: "user", takesPages: "copy", takesBuffer: "copy" },
  ring: { label: "shared ring", lane: "user", takesPages: "copy", takesBuffer: "copy" },
  stream: {
    label: "stream",
    lane: "user",
    takesPages: "maybe",
    takesBuffer: "maybe",
    note: "What a stream does with the bytes (encrypt, compress) comes on top.",
  },
};

/** A file as O_DIRECT sees it: the disk's own DMA goes to and from the buffer, which the kernel pins. */
const pinned: EndRow = {
  label: "pinned pages",
  lane: "kernel",
  hardware: "disk",
  takesPages: "reference",
  takesBuffer: "reference",
};

const directEnds: typeof ends = { ...ends, file: pinned, blockDevice: pinned };

const place = (label: string, lane: Place["lane"], column: number): Place => ({ label, lane, column });

/** The boxes of the two ends and what the hardware does on its own before and after. */
interface Frame {
  readonly from: Place;
  readonly to: Place;
  readonly source: EndRow;
  readonly target: EndRow;
  readonly before: readonly Hop[];
  readonly after: readonly Hop[];
}

function frame({ kind: sourceKind }: Endpoint, { kind: targetKind }: Endpoint, rows: typeof ends): Frame {
  const source = rows[sourceKind];
  const target = rows[targetKind];
  const from = place(source.label, source.lane, 0);
  const to = place(target.label, target.lane, 2);
  const dma = (hops: readonly [Place, Place]): readonly Hop[] => [{ from: hops[0], to: hops[1], cost: "dma" }];
  return {
    from,
    to,
    source,
    target,
    before: source.hardware === undefined ? [] : dma([place(source.hardware, "hardware", 0), from]),
    after: target.hardware === undefined ? [] : dma([to, place(target.hardware, "hardware", 2)]),
  };
}

type Route = (frame: Frame) => {
  readonly hops: readonly Hop[];
  readonly calls: readonly string[];
  readonly note?: string;
};

const direct =
  (call: string, cost: (frame: Frame) => HopCost): Route =>
  (between) => ({ hops: [{ from: between.from, to: between.to, cost: cost(between) }], calls: [call] });

const through = (middle: Place, first: HopCost, second: HopCost, { from, to }: Frame, label?: string): Hop[] => [
  { from, to: middle, cost: first, ...(label !== undefined && { label }) },
  { from: middle, to, cost: second },
];

const isPipe = ({ label }: EndRow) => label === ends.pipe.label;

/** The way between the two ends for each mechanism. Reflink's is drawn on its own: no byte moves at all. */
const routes: Readonly<Record<Exclude<Strategy, "reflink">, Route>> = {
  copyFileRange: (between) => ({
    ...direct("copy_file_range", () => "maybe")(between),
    note: "No copy where the filesystem shares blocks or its server copies them.",
  }),
  sendfile: direct("sendfile", ({ target }) => target.takesPages),
  splice: (between) =>
    isPipe(between.source) || isPipe(between.target)
      ? direct("splice", ({ target }) => target.takesPages)(between)
      : {
          hops: through(place("pipe", "kernel", 1), "reference", between.target.takesPages, between),
          calls: ["splice", "splice"],
        },
  mapped: (between) => ({
    hops: through(place("mapping", "user", 1), "reference", between.target.takesBuffer, between, "the same pages"),
    calls: ["mmap", "write"],
  }),
  buffered: (between) =>
    between.source.label === ends.memory.label
      ? direct("write", ({ target }) => target.takesBuffer)(between)
      : {
          hops: through(place("user buffer", "user", 1), "copy", between.target.takesBuffer, between),
          calls: ["read", "write"],
        },
  vmsplice: direct("vmsplice", () => "reference"),
  sendZeroCopy: (between) => ({
    ...direct("sendto", () => "maybe")(between),
    note: "The kernel tells for each send whether it copied; it does where the peer is on this machine.",
  }),
  tee: (between) => ({
    hops: through(place("pipe", "kernel", 1), "reference", between.target.takesPages, between),
    calls: ["tee", "splice"],
  }),
  direct: (between) => ({
    hops: through(place("user buffer", "user", 1), "reference", between.target.takesBuffer, between, "the same pages"),
    calls: ["read", "write"],
  }),
  sharedRing: (between) => ({
    hops: [{ from: between.from, to: between.to, cost: "copy" }],
    calls: [between.target.lane === "user" ? "read" : "write"],
  }),
  portable: (between) => ({
    hops:
      between.source.lane === "user"
        ? [{ from: between.from, to: between.to, cost: between.target.takesBuffer }]
        : through(place("JS buffer", "user", 1), "copy", between.target.takesBuffer, between),
    calls: [...(between.source.lane === "user" ? [] : ["read"]), ...(between.target.lane === "user" ? [] : ["write"])],
  }),
};

/** Two files, one set of blocks, until either is written. */
const sharedBlocks: Path = (() => {
  const from = place("source inode", "kernel", 0);
  const to = place("target inode", "kernel", 2);
  const blocks: Place = { ...place("one set of blocks on disk", "hardware", 0), to: 2 };
  return {
    hops: [
      { from, to, cost: "reference", label: "block references" },
      { from: blocks, to: from, cost: "reference", label: "" },
      { from: blocks, to, cost: "reference", label: "" },
    ],
    calls: ["ioctl"],
    per: "in all",
    notes: ["Both files share the blocks until one of them is written."],
  };
})();

/** The way of the bytes by one mechanism. */
export function pathOf(strategy: Strategy, source: Endpoint, target: Endpoint): Path {
  if (strategy === "reflink") return sharedBlocks;
  const between = frame(source, target, strategy === "direct" ? directEnds : ends);
  const { hops, calls, note = between.target.note } = routes[strategy](between);
  const uncertain = hops.some(({ cost }) => cost === "maybe");
  return {
    hops: [...between.before, ...hops, ...between.after],
    calls,
    per: "a round",
    notes: uncertain && note !== undefined ? [note] : [],
  };
}

const encrypted = "the runtime encrypts its bytes, so they have no descriptor";

/** Ends as they usually are, for explaining without real objects. Sizes in bytes. */
const samples: Readonly<Record<string, Partial<Endpoint> & Pick<Endpoint, "kind">>> = {
  file: { kind: "file", size: 2 ** 30 },
  procfs: { kind: "file", writable: false },
  block: { kind: "blockDevice" },
  tcp: { kind: "socket" },
  unix: { kind: "socket" },
  tls: { kind: "stream", fd: false, withoutFd: encrypted },
  pipe: { kind: "pipe" },
  null: { kind: "charDevice" },
  zero: { kind: "charDevice" },
  stream: { kind: "stream", fd: false, withoutFd: "a stream of JavaScript has no descriptor" },
  ring: { kind: "ring" },
  memory: { kind: "memory", size: 2 ** 20, writable: false },
};

/** The words that {@link sampleEndpoint} knows. */
export const sampleWords: readonly string[] = Object.keys(samples);

/** An end of the named kind as it usually is; undefined for a word that it doesn't know. */
export function sampleEndpoint(word: string): Endpoint | undefined {
  const sample = Object.hasOwn(samples, word) ? samples[word] : undefined;
  return sample === undefined ? undefined : endpoint({ name: word, ...sample });
}
