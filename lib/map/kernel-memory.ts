/** A mapping by mmap(2), under the engine's SIGBUS guard. */
import { advices, type Native } from "../../core/abi/abi.ts";
import { extentRecord, lossRecord, mappingRecord, residencyRecord } from "../../core/abi/records.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { lostIn, type MapMode, type MapRange, type Placement } from "../../core/mapping.ts";
import type { Engine } from "../engine/engine.ts";
import { RecordMemory } from "../engine/record-memory.ts";
import { slot } from "../support/slot.ts";
import type { Runtime } from "../runtime.ts";
import { callFailed } from "../support/system-error.ts";
import type { Advice, Memory } from "./memory.ts";

/** A buffer keeps its mapping for as long as anybody can look at it. */
const ownerOf = slot<KernelMemory>();

/** Gives back the addresses of what nobody can look at any more. */
const forgotten = new FinalizationRegistry(({ native, handle }: { native: Native; handle: number }) => {
  native.sluice_unmap(handle);
});

/** ES2024's method, which Node 20 lacks. It takes the memory away from every view of a buffer. */
type Detachable = ArrayBuffer & { transfer?(length: number): ArrayBuffer };

function detach(buffer: Detachable): void {
  // To a length of 0, so that nothing is copied.
  buffer.transfer?.(0);
}

export class KernelMemory implements Memory {
  readonly length: number;
  readonly #runtime: Runtime;
  readonly #native: Native;
  readonly #placement: Placement;
  readonly #handle: number;
  readonly #start: number;
  /** What views have been made of, to be detached. */
  readonly #buffers = new Set<WeakRef<ArrayBuffer>>();
  #mostBuffers = 128;
  #whole: WeakRef<ArrayBuffer> | undefined;

  /** @throws TransferError with what mmap(2) answers: `EACCES` for a descriptor without the rights, `ENODEV`, `ENOMEM` */
  constructor(runtime: Runtime, engine: Engine, fd: number, name: string, mode: MapMode, placement: Placement) {
    const { native, context } = engine;
    const record = new RecordMemory(mappingRecord.size);
    mappingRecord.set(record.view, "shared", mode === "shared" ? 1 : 0);
    mappingRecord.set(record.view, "offset", placement.offset);
    mappingRecord.set(record.view, "length", placement.lead + placement.length);
    const handle = native.sluice_map(context, fd, record.bytes);
    if (handle < 0) throw callFailed(`map ${name}`, "mmap", errnoName(-handle));
    this.length = placement.length;
    this.#runtime = runtime;
    this.#native = native;
    this.#placement = placement;
    this.#handle = handle;
    this.#start = mappingRecord.get(record.view, "address") + placement.lead;
    forgotten.register(this, { native, handle }, this);
  }

  view({ start, end }: MapRange): Uint8Array {
    if (start === end) return new Uint8Array(0);
    const isWhole = start === 0 && end === this.length;
    const known = isWhole ? this.#whole?.deref() : undefined;
    if (known !== undefined) return new Uint8Array(known);
    const buffer = this.#runtime.view(BigInt(this.#start + start), end - start);
    ownerOf.set(buffer, this);
    const reference = new WeakRef(buffer);
    if (isWhole) this.#whole = reference;
    this.#remember(reference);
    return new Uint8Array(buffer);
  }

  /** Takes the memory away from a view, and from whatever else was made of the same buffer. */
  revoke({ buffer }: Uint8Array): void {
    // Moved to somebody else (postMessage): who may look at it for ever.
    if (buffer.byteLength === 0) forgotten.unregister(this);
    detach(buffer as ArrayBuffer);
    if (this.#whole?.deref() === buffer) this.#whole = undefined;
    for (const each of this.#buffers) if (each.deref() === buffer) this.#buffers.delete(each);
  }

  /** Windows come and go: references to those that went are dropped whenever their number has doubled. */
  #remember(reference: WeakRef<ArrayBuffer>): void {
    this.#buffers.add(reference);
    if (this.#buffers.size < this.#mostBuffers) return;
    for (const each of this.#buffers) if (each.deref() === undefined) this.#buffers.delete(each);
    this.#mostBuffers = 2 * Math.max(64, this.#buffers.size);
  }

  lost(): number | undefined {
    const record = new RecordMemory(lossRecord.size);
    this.#check("fstat", this.#native.sluice_map_lost(this.#handle, record.bytes));
    const offset = lossRecord.get(record.view, "offset");
    return lostIn(this.#placement, offset < 0 ? undefined : offset);
  }

  #range({ start, end }: MapRange): Uint8Array {
    const record = new RecordMemory(extentRecord.size);
    extentRecord.set(record.view, "start", this.#placement.lead + start);
    extentRecord.set(record.view, "end", this.#placement.lead + end);
    return record.bytes;
  }

  #check(syscall: string, answer: number): void {
    if (answer < 0) throw callFailed("use the mapping", syscall, errnoName(-answer));
  }

  advise(range: MapRange, advice: Advice): void {
    this.#check("madvise", this.#native.sluice_map_advise(this.#handle, this.#range(range), advices[advice]));
  }

  resident({ start, end }: MapRange): number {
    const { view, bytes } = new RecordMemory(residencyRecord.size);
    residencyRecord.set(view, "start", this.#placement.lead + start);
    residencyRecord.set(view, "end", this.#placement.lead + end);
    this.#check("mincore", this.#native.sluice_map_residency(this.#handle, bytes));
    return residencyRecord.get(view, "bytes");
  }

  flush(range: MapRange): void {
    this.#check("msync", this.#native.sluice_map_flush(this.#handle, this.#range(range)));
  }

  /**
   * The file goes at once. The addresses stay, as zero pages that cost nothing, until nobody holds a view: a write that
   * the runtime still has under way would otherwise send what comes to lie there. A buffer that was moved to somebody
   * else (structuredClone, postMessage) may be looked at for ever, so its addresses are never given back.
   */
  release(): void {
    this.#check("mmap", this.#native.sluice_map_blank(this.#handle));
    const buffers = [...this.#buffers].map((reference) => reference.deref()).filter((buffer) => buffer !== undefined);
    if (buffers.some(({ byteLength }) => byteLength === 0)) forgotten.unregister(this);
    for (const buffer of buffers) detach(buffer);
    this.#buffers.clear();
  }
}
