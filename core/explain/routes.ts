/** The way of the bytes between two ends, by each mechanism. */
import type { Endpoint, EndpointKind } from "../plan/endpoint.ts";
import type { Strategy } from "../plan/kernel.ts";
import type { Hop, HopCost, Path, Place } from "./drawing.ts";

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
