/** `descriptor` of wasi:filesystem, on this thread. */
import { type BigIntStats, closeSync, fdatasyncSync, fstatSync, fsyncSync, readSync, writeSync } from "node:fs";
import type * as Types from "../../wasm/types/host/interfaces/wasi-filesystem-types.d.ts";
import { openFlags } from "../../core/abi/numbers.ts";
import { type WasiCode, wasiCode } from "../../core/wasi/codes.ts";
import { Answer, answeringBy } from "./answer.ts";
import type { Budget } from "./budget.ts";
import { hashOf, statOf, typeOf } from "./file-status.ts";
import { type Folder, setSize } from "./folder.ts";

/** Most bytes of a read: a guest may ask for 2^64. They are lent, for the caller copies them at once. */
const mostBytes = 2 ** 20;
const lent = new Uint8Array(mostBytes);

const answer = (code: WasiCode): Answer<WasiCode> => new Answer(code);

/** Whatever node:fs throws leaves as a code of WASI. */
const answering = <T>(call: () => T): T => answeringBy(call, wasiCode);

/** A position or size that a double holds. */
function position(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw answer("overflow");
  return Number(value);
}

/** What a descriptor may do. */
export interface Rights {
  readonly read: boolean;
  readonly write: boolean;
}

interface State {
  fd: number;
  readonly folder: Folder | undefined;
  readonly rights: Rights;
  readonly budget: Budget;
}

const unsupported = (): never => {
  throw answer("unsupported");
};

export class Descriptor implements Disposable {
  /** A guest's bad handle comes as an object that has the prototype and not this. */
  #state: State | undefined;

  /** Of a descriptor of node:fs's, or of a folder; the new object closes it. */
  constructor(opened: { readonly fd: number } | { readonly folder: Folder }, rights: Rights, budget: Budget) {
    this.#state = {
      fd: "fd" in opened ? opened.fd : -1,
      folder: "folder" in opened ? opened.folder : undefined,
      rights,
      budget,
    };
    budget.opened(this);
  }

  static #of(descriptor: Descriptor): State {
    const state = #state in descriptor ? descriptor.#state : undefined;
    if (state === undefined) throw answer("bad-descriptor");
    return state;
  }

  static #stateOf(descriptor: Descriptor, right: keyof Rights): State {
    const state = Descriptor.#of(descriptor);
    if (state.folder !== undefined) throw answer("is-directory");
    if (!state.rights[right]) throw answer("bad-descriptor");
    return state;
  }

  static #fileOf(descriptor: Descriptor, right: keyof Rights): number {
    return Descriptor.#stateOf(descriptor, right).fd;
  }

  /** Moves at most so many bytes, paid for before they move. */
  static #paid({ budget }: State, wanted: number, call: (most: number) => number): number {
    const most = budget.spendMost(wanted);
    let moved = 0;
    try {
      return (moved = call(most));
    } finally {
      budget.refund(most - moved);
    }
  }

  static #folderOf(descriptor: Descriptor): { readonly folder: Folder; readonly state: State } {
    const state = Descriptor.#of(descriptor);
    if (state.folder === undefined) throw answer("not-directory");
    return { folder: state.folder, state };
  }

  /** A folder whose content may be changed. */
  static #changeable(descriptor: Descriptor): Folder {
    const { folder, state } = Descriptor.#folderOf(descriptor);
    if (!state.rights.write) throw answer("read-only");
    return folder;
  }

  static #stats(descriptor: Descriptor): BigIntStats {
    const { fd, folder } = Descriptor.#of(descriptor);
    return folder === undefined ? fstatSync(fd, { bigint: true }) : folder.stat(".", true);
  }

  openAt(pathFlags: Types.PathFlags, path: string, open: Types.OpenFlags, flags: Types.DescriptorFlags): Descriptor {
    return answering(() => {
      const { folder, state } = Descriptor.#folderOf(this);
      const changes = open.create || open.truncate || flags.write || flags.mutateDirectory;
      if (changes && !state.rights.write) throw answer("read-only");
      const isFolder = open.directory === true;
      const rights = { read: flags.read ?? false, write: (isFolder ? flags.mutateDirectory : flags.write) ?? false };
      const asked =
        (flags.read || !flags.write ? openFlags.read : 0) |
        (flags.write ? openFlags.write : 0) |
        (open.create ? openFlags.create : 0) |
        (open.exclusive ? openFlags.exclusive : 0) |
        (open.truncate ? openFlags.truncate : 0) |
        (pathFlags.symlinkFollow ? 0 : openFlags.noFollow);
      if (isFolder) return new Descriptor({ folder: folder.folder(path) }, rights, state.budget);
      const fd = folder.open(path, asked);
      try {
        // A folder may be opened without saying so, to be read.
        if (!fstatSync(fd).isDirectory()) return new Descriptor({ fd }, rights, state.budget);
      } catch (error) {
        closeSync(fd);
        throw error;
      }
      closeSync(fd);
      const mutable = { read: rights.read, write: flags.mutateDirectory ?? false };
      return new Descriptor({ folder: folder.folder(path) }, mutable, state.budget);
    });
  }

  read(length: bigint, offset: bigint): [Uint8Array, boolean] {
    return answering(() => {
      const state = Descriptor.#stateOf(this, "read");
      const wanted = length < BigInt(mostBytes) ? Number(length) : mostBytes;
      const from = position(offset);
      let asked = wanted;
      const count = Descriptor.#paid(state, wanted, (most) => readSync(state.fd, lent, 0, (asked = most), from));
      return [lent.subarray(0, count), count < asked || wanted === 0];
    });
  }

  write(buffer: Uint8Array, offset: bigint): bigint {
    return answering(() => {
      const state = Descriptor.#stateOf(this, "write");
      const to = position(offset);
      state.budget.checkFile(to + buffer.byteLength);
      return BigInt(Descriptor.#paid(state, buffer.byteLength, (most) => writeSync(state.fd, buffer, 0, most, to)));
    });
  }

  setSize(size: bigint): void {
    answering(() => {
      const { fd, budget } = Descriptor.#stateOf(this, "write");
      budget.checkFile(position(size));
      setSize(fd, position(size));
    });
  }

  stat(): Types.DescriptorStat {
    return answering(() => statOf(Descriptor.#stats(this)));
  }

  statAt(flags: Types.PathFlags, path: string): Types.DescriptorStat {
    return answering(() => statOf(Descriptor.#folderOf(this).folder.stat(path, flags.symlinkFollow ?? false)));
  }

  getType(): Types.DescriptorType {
    return answering(() => typeOf(Descriptor.#stats(this)));
  }

  getFlags(): Types.DescriptorFlags {
    return answering(() => {
      const { folder, rights } = Descriptor.#of(this);
      return folder === undefined ? { ...rights } : { read: rights.read, mutateDirectory: rights.write };
    });
  }

  isSameObject(other: Descriptor): boolean {
    return answering(() => {
      const [one, two] = [Descriptor.#stats(this), Descriptor.#stats(other)];
      return one.ino === two.ino && one.dev === two.dev;
    });
  }

  metadataHash(): Types.MetadataHashValue {
    return answering(() => hashOf(Descriptor.#stats(this)));
  }

  metadataHashAt(flags: Types.PathFlags, path: string): Types.MetadataHashValue {
    return answering(() => hashOf(Descriptor.#folderOf(this).folder.stat(path, flags.symlinkFollow ?? false)));
  }

  sync(): void {
    answering(() => fsyncSync(Descriptor.#fileOf(this, "write")));
  }

  syncData(): void {
    answering(() => fdatasyncSync(Descriptor.#fileOf(this, "write")));
  }

  /** It is no more than advice. */
  advise(): void {
    answering(() => Descriptor.#of(this));
  }

  readDirectory(): DirectoryEntryStream {
    return answering(() => new DirectoryEntryStream(Descriptor.#folderOf(this).folder));
  }

  readlinkAt(path: string): string {
    return answering(() => Descriptor.#folderOf(this).folder.readLink(path));
  }

  createDirectoryAt(path: string): void {
    answering(() => Descriptor.#changeable(this).makeFolder(path));
  }

  removeDirectoryAt(path: string): void {
    answering(() => Descriptor.#changeable(this).removeFolder(path));
  }

  unlinkFileAt(path: string): void {
    answering(() => Descriptor.#changeable(this).unlink(path));
  }

  renameAt(path: string, target: Descriptor, to: string): void {
    answering(() => Descriptor.#changeable(this).rename(path, Descriptor.#changeable(target), to));
  }

  linkAt(flags: Types.PathFlags, path: string, target: Descriptor, to: string): void {
    answering(() => {
      if (flags.symlinkFollow) throw answer("invalid");
      Descriptor.#changeable(this).link(path, Descriptor.#changeable(target), to);
    });
  }

  // What no guest of ours needs. A link could be made to lead out, and streams are ten times slower than positions.
  symlinkAt(): void {
    unsupported();
  }
  setTimes(): void {
    unsupported();
  }
  setTimesAt(): void {
    unsupported();
  }
  readViaStream(): never {
    return unsupported();
  }
  writeViaStream(): never {
    return unsupported();
  }
  appendViaStream(): never {
    return unsupported();
  }

  [Symbol.dispose](): void {
    const state = #state in this ? this.#state : undefined;
    if (state === undefined) return;
    this.#state = undefined;
    state.budget.closed(this);
    if (state.folder === undefined) closeSync(state.fd);
    else state.folder.close();
  }
}

/** The names of a folder, read at once. */
export class DirectoryEntryStream {
  readonly #entries: Types.DirectoryEntry[];

  constructor(folder: Folder) {
    this.#entries = folder.entries().map((entry) => ({ type: typeOf(entry), name: entry.name }));
  }

  readDirectoryEntry(): Types.DirectoryEntry | undefined {
    return answering(() => {
      if (!(#entries in this)) throw answer("bad-descriptor");
      return this.#entries.shift();
    });
  }
}
