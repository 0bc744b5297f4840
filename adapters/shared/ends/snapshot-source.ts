/** A regular file as it was at the moment of the call. */
import type { FileHandle } from "node:fs/promises";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { AbortSignalLike, Request } from "../../../core/request.ts";
import { checkCountable } from "../../../core/select.ts";
import { readSnapshot, snapshot } from "../copy/snapshot.ts";
import { inspectFd } from "../inspect.ts";
import type { Machine } from "../machine.ts";
import type { SourceEnd } from "./source.ts";

/** Saves another source when it is opened, and stands for the copy. What is no regular file stays what it is, for selection to refuse. */
export class SnapshotSource implements SourceEnd {
  readonly #original: SourceEnd;
  readonly #machine: Machine;
  readonly #request: Request;
  readonly #signal: AbortSignalLike | undefined;
  #saving: Promise<void> | undefined;
  #copy: FileHandle | undefined;
  #name = "";

  constructor(original: SourceEnd, machine: Machine, request: Request, signal: AbortSignalLike | undefined) {
    this.#original = original;
    this.#machine = machine;
    this.#request = request;
    this.#signal = signal;
  }

  get fd(): number | undefined {
    return this.#copy?.fd ?? this.#original.fd;
  }

  keep(): void {
    // The copy is nobody else's; the original was kept when it was saved.
  }

  keepReadable(): void {
    // So it can be read as it is.
  }

  open(): Promise<void> {
    const opened = this.#original.open();
    if (opened === undefined) this.#original.keep(this.#machine.native);
    this.#saving = this.#save(opened);
    return this.#saving;
  }

  async #save(opened: Promise<void> | undefined): Promise<void> {
    await opened;
    const { kind, name, size } = this.#original.inspect(this.#machine.native);
    const { fd } = this.#original;
    if (kind !== "file" || fd === undefined) return;
    this.#name = name;
    const { offset, length = Infinity } = this.#request;
    // A file that doesn't know its size is read to its end.
    const end = Math.max(offset, Math.min(offset + length, size ?? Number.MAX_SAFE_INTEGER));
    checkCountable(name, end);
    this.#copy = await snapshot(this.#machine, fd, name, { start: offset, end }, this.#signal, false);
  }

  inspect(native: Native | string): Endpoint {
    return this.#copy === undefined ? this.#original.inspect(native) : inspectFd(native, this.#copy.fd, this.#name);
  }

  stop(): void {
    // Nobody else reads the copy.
  }

  read(max: number, offset: number | undefined): Promise<Uint8Array | undefined> {
    return this.#copy === undefined ? this.#original.read(max, offset) : readSnapshot(this.#copy, max, offset ?? 0);
  }

  watch(): void {
    // Whatever becomes of the original is no matter any more.
  }

  async end(broken: boolean): Promise<void> {
    // An abort may have overtaken the saving; what comes of it is taken away all the same.
    if (this.#saving !== undefined) await Promise.allSettled([this.#saving]);
    await this.#copy?.close();
    await this.#original.end(broken);
  }
}
