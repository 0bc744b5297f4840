/** The records that cross the boundary to the native library: their layouts, written once, and how they are read and written. */

type FieldType = "i32" | "u32" | "i64";
type Layout = Readonly<Record<string, FieldType>>;

/** The records, field by field, little-endian, naturally aligned (so no padding is implied). */
export const records = {
  request: {
    strategy: "u32",
    flags: "u32",
    offset: "i64",
    length: "i64",
    target_offset: "i64",
  },
  outcome: {
    job: "i32",
    end: "u32",
    bytes: "i64",
    stranded: "i64",
    error: "i32",
    failed: "u32",
    syscalls: "i64",
    waits: "i64",
    cpu_ns: "i64",
    head: "i64",
    copied: "u32",
    /** Sends from memory that the kernel has not released. */
    held: "u32",
  },
  memory: { length: "i64", copy: "u32", reserved: "u32" },
  outlet: { fd: "i32", capacity: "u32" },
  inspection: {
    kind: "u32",
    flags: "u32",
    size: "i64",
    device: "i64",
    inode: "i64",
    /** The mount that it was opened in; 0 where the kernel doesn't tell (before Linux 5.8). */
    mount: "i64",
    filesystem: "i64",
    blocks: "i64",
    /** In and out: the device, mount and filesystem of the last answer, by which the next may spare itself statfs. */
    known_device: "i64",
    known_mount: "i64",
    known_filesystem: "i64",
    mode: "u32",
    reserved: "u32",
    modified_ns: "i64",
    changed_ns: "i64",
  },
  pair_request: { flags: "u32", head: "u32", most_to_b: "i64", most_to_a: "i64" },
  pair_outcome: {
    pair: "i32",
    end: "u32",
    error: "i32",
    failed: "u32",
    to_b_bytes: "i64",
    to_b_spliced: "i64",
    to_b_stranded: "i64",
    to_b_syscalls: "i64",
    to_b_waits: "i64",
    to_a_bytes: "i64",
    to_a_spliced: "i64",
    to_a_stranded: "i64",
    to_a_syscalls: "i64",
    to_a_waits: "i64",
    ended: "u32",
    reserved: "u32",
  },
  pair_progress: { to_b_bytes: "i64", to_a_bytes: "i64", idle_ns: "i64", hung_up: "u32", reserved: "u32" },
  extent: { start: "i64", end: "i64" },
  times: { access_s: "i64", access_ns: "i64", modify_s: "i64", modify_ns: "i64" },
  interface: { features: "u32", reserved: "u32" },
  lease_break: { lease: "i32", wanted: "u32", remaining_ns: "i64" },
  mapping: { shared: "u32", reserved: "u32", offset: "i64", length: "i64", address: "i64" },
  loss: { offset: "i64" },
  residency: { start: "i64", end: "i64", bytes: "i64" },
  ring_status: { capacity: "i64", written: "i64", read: "i64", ended: "u32", other: "u32" },
  pipe_ends: { reader: "i32", writer: "i32", bytes: "u32", reserved: "u32" },
  census: {
    contexts: "u32",
    jobs: "u32",
    workers: "u32",
    blocking_workers: "u32",
    pooled_pipes: "u32",
    leases: "u32",
    pairs: "u32",
    relays: "u32",
    rings: "u32",
    ring_waits: "u32",
    /** That the engine has opened or duplicated, and keeps for itself. */
    descriptors: "u32",
    /** Attempts of jobs that are under way. */
    running: "u32",
    /** Those that have ended, and pairs that have been closed, since the library was loaded. */
    attempts: "i64",
    pairs_closed: "i64",
    /** What relay pipes can hold, pooled or in use. */
    pipe_bytes: "i64",
    mapped_bytes: "i64",
    ring_bytes: "i64",
    /** Memory that open jobs send, which the kernel may still refer to. */
    memory_bytes: "i64",
  },
} as const satisfies Record<string, Layout>;

const fieldSize = { i32: 4, u32: 4, i64: 8 } as const;
const two32 = 4294967296;

/** Reads and writes one kind of record in a `DataView`; all numbers are safe integers. */
export interface RecordCodec<L extends Layout> {
  /** Size of the record in bytes. */
  readonly size: number;
  get(view: DataView, field: keyof L & string, base?: number): number;
  /** For fields that may exceed 2^53 (device and inode numbers): a bigint where it does. */
  getWide(view: DataView, field: keyof L & string, base?: number): number | bigint;
  set(view: DataView, field: keyof L & string, value: number, base?: number): void;
}

interface Field {
  readonly at: number;
  readonly type: FieldType;
}

function fieldsOf(layout: Layout): { readonly fields: ReadonlyMap<string, Field>; readonly size: number } {
  const fields = new Map<string, Field>();
  let size = 0;
  for (const [name, type] of Object.entries(layout)) {
    fields.set(name, { at: size, type });
    size += fieldSize[type];
  }
  return { fields, size };
}

function codec<L extends Layout>(layout: L): RecordCodec<L> {
  let known: ReturnType<typeof fieldsOf> | undefined;
  /** Laid out at the first use: an import has no time for it. */
  const laidOut = () => (known ??= fieldsOf(layout));
  const find = (field: string) => {
    const found = laidOut().fields.get(field);
    if (found === undefined) throw new TypeError(`No field ${field} in the record`);
    return found;
  };
  return {
    get size() {
      return laidOut().size;
    },
    get(view, field, base = 0) {
      const { at, type } = find(field);
      if (type === "u32") return view.getUint32(base + at, true);
      if (type === "i32") return view.getInt32(base + at, true);
      return view.getInt32(base + at + 4, true) * two32 + view.getUint32(base + at, true);
    },
    getWide(view, field, base = 0) {
      const { at } = find(field);
      const high = view.getUint32(base + at + 4, true);
      return high < 0x200000 ? high * two32 + view.getUint32(base + at, true) : view.getBigUint64(base + at, true);
    },
    set(view, field, value, base = 0) {
      const { at, type } = find(field);
      if (type === "i64") {
        view.setInt32(base + at + 4, Math.floor(value / two32), true);
        view.setUint32(base + at, value >>> 0, true);
      } else view.setInt32(base + at, value | 0, true);
    },
  };
}

/** Bytes of a record, for the header of the native library. */
export const recordSize = (name: keyof typeof records): number => fieldsOf(records[name]).size;

export const requestRecord = codec(records.request);
export const outcomeRecord = codec(records.outcome);
export const pairRequestRecord = codec(records.pair_request);
export const pairOutcomeRecord = codec(records.pair_outcome);
export const pairProgressRecord = codec(records.pair_progress);
export const inspectionRecord = codec(records.inspection);
export const memoryRecord = codec(records.memory);
export const outletRecord = codec(records.outlet);
export const extentRecord = codec(records.extent);
export const timesRecord = codec(records.times);
export const interfaceRecord = codec(records.interface);
export const leaseBreakRecord = codec(records.lease_break);
export const mappingRecord = codec(records.mapping);
export const lossRecord = codec(records.loss);
export const residencyRecord = codec(records.residency);
export const ringStatusRecord = codec(records.ring_status);
export const pipeEndsRecord = codec(records.pipe_ends);
export const censusRecord = codec(records.census);
