/** A regular file as it was at the moment of the call. */
import { type FileHandle, readlink, realpath } from "node:fs/promises";
import type { Native } from "../../core/abi/abi.ts";
import { asNew, type Endpoint } from "../../core/plan/endpoint.ts";
import type { AbortSignalLike } from "../../core/options.ts";
import type { TransferRequest } from "../../core/transfer/request.ts";
import { checkCountable } from "../../core/plan/select.ts";
import { readSnapshot, snapshot, type Span } from "../copy/snapshot.ts";
import { inspectFd } from "./inspect-fd.ts";
import { lookAtSnapshot } from "./inspect-path.ts";
import type { Machine } from "../engine/machine.ts";
import { callFailed } from "../support/system-error.ts";
import type { SourceEnd, Surroundings } from "./source.ts";

/** Whether it is saved; what is no regular file is refused later. @throws TransferError `EBADF` where it can't be read */
function isToBeSaved({ kind, readable, name }: Endpoint): boolean {
  if (kind === "file" && !readable) throw callFailed(`save ${name}`, "read", "EBADF");
  return kind === "file";
}

/**
 * Saves another source when it is opened, and stands for the copy: whatever becomes of the original is no matter any more. What is no regular file stays what it is, for selection to refuse.
 */
export class SnapshotSource implements SourceEnd {
  readonly #original: SourceEnd;
  readonly #machine: Machine;
  readonly #request: TransferRequest;
  readonly #signal: AbortSignalLike | undefined;
  #saving: Promise<void> | undefined;
  #copy: FileHandle | undefined;
  #name = "";
  #isSized = false;

  constructor(original: SourceEnd, machine: Machine, request: TransferRequest, signal: AbortSignalLike | undefined) {
    this.#original = original;
    this.#machine = machine;
    this.#request = request;
    this.#signal = signal;
  }

  get path(): string | undefined {
    return this.#original.path;
  }

  get fd(): number | undefined {
    return this.#copy?.fd ?? this.#original.fd;
  }

  open(): Promise<void> {
    const opened = this.#original.open?.();
    if (opened === undefined) this.#original.keep?.(this.#machine.native);
    this.#saving = this.#save(opened);
    return this.#saving;
  }

  async #save(opened: Promise<void> | undefined): Promise<void> {
    await opened;
    const original = this.#original.inspect(this.#machine.native);
    const { name, size } = original;
    const { fd } = this.#original;
    if (!isToBeSaved(original) || fd === undefined) return;
    this.#name = name;
    this.#isSized = size !== undefined;
    this.#copy = await snapshot(this.#machine, fd, name, this.#spanOf(original), this.#signal, false);
  }

  #spanOf({ name, size }: Endpoint): Span {
    const { offset, length = Infinity } = this.#request;
    // A file that doesn't know its size is read to its end.
    const end = Math.max(offset, Math.min(offset + length, size ?? Number.MAX_SAFE_INTEGER));
    checkCountable(name, end);
    return { start: offset, end };
  }

  inspect(native: Native | string): Endpoint {
    if (this.#copy === undefined) return this.#original.inspect(native);
    const copy = asNew(inspectFd(native, this.#copy.fd, this.#name));
    // What was decided must not hang on how much a file turned out to hold.
    return this.#isSized ? copy : { ...copy, size: undefined };
  }

  async look(around: Surroundings): Promise<Endpoint> {
    const { fd = -1 } = this.#original;
    const original = (await this.#original.look?.(around)) ?? this.#original.inspect(around.native);
    if (!isToBeSaved(original)) return original;
    this.#spanOf(original);
    const path = fd < 0 ? realpath(original.name) : readlink(`/proc/self/fd/${fd}`);
    return lookAtSnapshot(around, original, await path.catch(() => undefined));
  }

  read(max: number, offset: number | undefined): Promise<Uint8Array | undefined> {
    return this.#copy === undefined ? this.#original.read(max, offset) : readSnapshot(this.#copy, max, offset ?? 0);
  }

  async end(broken: boolean): Promise<void> {
    // An abort may have overtaken the saving; what comes of it is taken away all the same.
    if (this.#saving !== undefined) await Promise.allSettled([this.#saving]);
    await this.#copy?.close();
    await this.#original.end(broken);
  }
}
