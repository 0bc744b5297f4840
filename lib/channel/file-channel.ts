/** A file with a position, after java.nio.channels.FileChannel. */
import { constants, fdatasync, fstat, fsync, ftruncate, read, write } from "node:fs";
import { promisify } from "node:util";
import { checkBuffer, count, countOrAll, lockRange } from "../../core/channel.ts";
import { TransferError } from "../../core/error.ts";
import type { MapMode } from "../../core/mapping.ts";
import { checkKnown, type Names } from "../../core/options.ts";
import type { Report } from "../../core/transfer/report.ts";
import { type ByteCount, type TransferOptions, transferOptions } from "../../core/transfer/request.ts";
import type { MappedFile, Source, Target } from "../api.ts";
import type { Machine } from "../engine/machine.ts";
import { map } from "../map/map.ts";
import { closeFd } from "../ends/open.ts";
import { callFailed, fsCall } from "../support/system-error.ts";
import { transfer } from "../transfer/transfer.ts";
import { type FileLock, Locks } from "./locks.ts";

const readAsync = promisify(read);
const writeAsync = promisify(write);
const truncateAsync = promisify(ftruncate);
const statAsync = promisify(fstat);
const syncAsync = promisify(fsync);
const datasyncAsync = promisify(fdatasync);

/** What a channel leaves to be chosen of a transfer: the ranges are its own. */
export interface ChannelTransferOptions extends Omit<TransferOptions, "offset" | "length" | "targetOffset"> {
  /**
   * Is given the report of a transfer that succeeded, before the promise settles. What it throws rejects that.
   * Not called where `transferFrom()` takes nothing because the position is past the end of the file.
   */
  readonly onReport?: ((report: Report) => void) | undefined;
}

const { offset: _offset, length: _length, targetOffset: _targetOffset, ...chosenOptions } = transferOptions;
const channelOptions: Names<ChannelTransferOptions> = { ...chosenOptions, onReport: true };

/** The options of a transfer among those of a channel, as they are now: the caller may change them while it waits for its turn. */
function chosen(options: ChannelTransferOptions): TransferOptions {
  checkKnown(options, channelOptions);
  const { onReport: _, strategy, ...rest } = options;
  return { ...rest, strategy: typeof strategy === "object" ? [...strategy] : strategy };
}

/** The channel's own answer to a transfer: a count, as Java gives it. */
function answered(report: Report, { onReport }: ChannelTransferOptions): number {
  onReport?.(report);
  return report.bytes;
}

/**
 * A file with a position. Reads and writes without a position start at the channel's own, one after the other in the
 * order of their calls, and move it; those with one neither use it nor move it.
 *
 * All throw TransferError `ERR_SLUICE_CLOSED` on a closed channel, `EBADF` where the file is not open for it, and
 * TypeError or RangeError for positions and counts that are negative or no whole numbers of bytes.
 */
export class FileChannel implements AsyncDisposable {
  readonly #machine: Machine;
  readonly #fd: number;
  readonly #name: string;
  readonly #access: number;
  readonly #locks: Locks;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #position = 0;
  /** The last of the calls that use the channel's position. */
  #last: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /** Not to be called: `openFile()` makes channels. */
  constructor(machine: Machine, fd: number, name: string, access: number) {
    this.#machine = machine;
    this.#fd = fd;
    this.#name = name;
    this.#access = access;
    this.#locks = new Locks(machine, fd, name);
  }

  get #closedError(): TransferError {
    return new TransferError(`Cannot use ${this.#name}: the channel is closed`, { code: "ERR_SLUICE_CLOSED" });
  }

  #check(need?: "read" | "write"): void {
    if (this.#closed !== undefined) throw this.#closedError;
    const mode = this.#access & (constants.O_WRONLY | constants.O_RDWR);
    const refused = need === "read" ? mode === constants.O_WRONLY : need === "write" && mode === constants.O_RDONLY;
    if (refused) throw callFailed(`${need} ${this.#name}`, need ?? "", "EBADF");
  }

  get #appends(): boolean {
    return (this.#access & constants.O_APPEND) !== 0;
  }

  /** Runs a call that `close()` has to wait for: the descriptor must not become another file's under it. */
  #run<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    const ended = () => this.#running.delete(running);
    this.#running.add(running);
    running.then(ended, ended);
    return running;
  }

  /** Runs a call that uses the channel's position after those before it. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return this.#run(() => turn);
  }

  /** The descriptor, for as long as the channel is open. It stays the channel's. */
  get fd(): number {
    this.#check();
    return this.#fd;
  }

  get isOpen(): boolean {
    return this.#closed === undefined;
  }

  /** Where the next read or write without a position starts, in bytes. It may be set past the end: a write makes a hole. */
  get position(): number {
    this.#check();
    return this.#position;
  }

  set position(position: ByteCount) {
    this.#check();
    this.#position = count("position", position);
  }

  /** The size of the file in bytes, as it is now. */
  async size(): Promise<number> {
    this.#check();
    return this.#run(() => this.#size());
  }

  async #size(): Promise<number> {
    return (await fsCall(`use ${this.#name}`, "fstat", statAsync(this.#fd))).size;
  }

  /** Reads into a buffer: how many bytes, at most as many as it holds. 0 at the end of the file (Java: -1). */
  async read(buffer: Uint8Array, position?: ByteCount): Promise<number> {
    this.#check("read");
    checkBuffer(buffer);
    if (position !== undefined) {
      const at = count("position", position);
      return this.#run(() => this.#readAt(buffer, at));
    }
    return this.#inTurn(async () => {
      const bytes = await this.#readAt(buffer, this.#position);
      this.#position += bytes;
      return bytes;
    });
  }

  async #readAt(buffer: Uint8Array, at: number): Promise<number> {
    if (buffer.byteLength === 0) return 0;
    const call = readAsync(this.#fd, buffer, 0, buffer.byteLength, at);
    return (await fsCall(`read ${this.#name}`, "pread", call)).bytesRead;
  }

  /** Writes all of a buffer. A file that was opened to append takes it at its end, whatever the position (pwrite(2)). */
  async write(buffer: Uint8Array, position?: ByteCount): Promise<number> {
    this.#check("write");
    checkBuffer(buffer);
    if (position !== undefined) {
      const at = count("position", position);
      return this.#run(() => this.#writeAt(buffer, at));
    }
    return this.#inTurn(async () => {
      const bytes = await this.#writeAt(buffer, this.#position);
      this.#position = this.#appends ? await this.#size() : this.#position + bytes;
      return bytes;
    });
  }

  async #writeAt(buffer: Uint8Array, at: number): Promise<number> {
    let written = 0;
    while (written < buffer.byteLength) {
      const place = this.#appends ? null : at + written;
      const call = writeAsync(this.#fd, buffer, written, buffer.byteLength - written, place);
      written += (await fsCall(`write ${this.#name}`, "pwrite", call)).bytesWritten;
    }
    return written;
  }

  /** Cuts the file; one that is no longer is left alone. A position past the new end moves there. */
  async truncate(size: ByteCount): Promise<void> {
    this.#check("write");
    const length = count("size", size);
    return this.#inTurn(async () => {
      const call = (await this.#size()) > length ? truncateAsync(this.#fd, length) : undefined;
      if (call !== undefined) await fsCall(`truncate ${this.#name}`, "ftruncate", call);
      this.#position = Math.min(this.#position, length);
    });
  }

  /** Waits until what was written is on the disk: fsync(2), or fdatasync(2) where the times don't matter. */
  async force(metaData = true): Promise<void> {
    this.#check();
    const sync = metaData ? syncAsync : datasyncAsync;
    return this.#run(() => fsCall(`sync ${this.#name}`, metaData ? "fsync" : "fdatasync", sync(this.#fd)));
  }

  /**
   * Sends a part of the file by `transfer()` and answers how many bytes went: fewer than `length` where the file
   * ends before, 0 past its end. A channel as target takes them at its position, and moves it.
   */
  async transferTo(
    position: ByteCount,
    length: ByteCount,
    target: Target | FileChannel,
    options: ChannelTransferOptions = {},
  ): Promise<number> {
    this.#check("read");
    const rest = chosen(options);
    const range = { offset: count("position", position), length: countOrAll("count", length) };
    if (!(target instanceof FileChannel))
      return answered(await this.#run(() => transfer(this.#machine, this.#fd, target, { ...rest, ...range })), options);
    target.#check("write");
    const report = await this.#run(() =>
      target.#inTurn(() =>
        target.#moving(async () => {
          const targetOffset = target.#appends ? undefined : target.#position;
          return transfer(this.#machine, this.#fd, target.#fd, { ...rest, ...range, targetOffset });
        }),
      ),
    );
    return answered(report, options);
  }

  /**
   * Takes bytes into the file from a position on, by `transfer()`, and answers how many came. A channel as source gives
   * those at its position, and moves it. Nothing is taken for a position past the end of the file. A file that
   * was opened to append takes them at its end.
   */
  async transferFrom(
    source: Source | FileChannel,
    position: ByteCount,
    length: ByteCount,
    options: ChannelTransferOptions = {},
  ): Promise<number> {
    this.#check("write");
    const rest = chosen(options);
    const at = count("position", position);
    const most = countOrAll("count", length);
    if (source instanceof FileChannel) source.#check("read");
    const report = await this.#run(async () => {
      if (at > (await this.#size())) return undefined;
      const range = { length: most, targetOffset: this.#appends ? undefined : at };
      if (!(source instanceof FileChannel)) return transfer(this.#machine, source, this.#fd, { ...rest, ...range });
      return source.#inTurn(() =>
        source.#moving(async () =>
          transfer(this.#machine, source.#fd, this.#fd, { ...rest, ...range, offset: source.#position }),
        ),
      );
    });
    return report === undefined ? 0 : answered(report, options);
  }

  /** Runs a transfer at this channel's position, which moves along, also with one that fails midway. */
  async #moving(work: () => Promise<Report>): Promise<Report> {
    let moved = 0;
    try {
      const report = await work();
      moved = report.bytes;
      return report;
    } catch (error) {
      if (error instanceof TransferError) moved = error.bytesTransferred;
      throw error;
    } finally {
      this.#position = this.#appends ? await this.#size() : this.#position + moved;
    }
  }

  /** Maps a part of the file; see `map()`. The mapping outlives the channel. */
  map(mode: MapMode = "read", position: ByteCount = 0, size?: ByteCount): MappedFile {
    this.#check("read");
    return map(this.#machine, this.#fd, { mode, offset: position, length: size });
  }

  /**
   * Locks a part of the file against other channels and processes that ask, and waits for it where somebody else has
   * it. Locks are the open file's (F_OFD_SETLK, fcntl(2); Linux 3.15): two channels exclude each other within one
   * process, too. Without a size, or with 0: to the end, wherever that comes to be.
   *
   * @param shared a lock that several may have at a time, for which the file has to be open for reading
   * @throws TransferError `ERR_SLUICE_OVERLAP` where this channel has locked some of the range already,
   * `ERR_SLUICE_CLOSED` when it is closed meanwhile, `ERR_SLUICE_UNSUPPORTED` without the engine
   */
  async lock(position: ByteCount = 0, size: ByteCount = Infinity, shared = false): Promise<FileLock> {
    this.#check(shared ? "read" : "write");
    const range = lockRange(position, size);
    const lock = await this.#run(() => this.#locks.wait(range, shared, this.#closing.signal));
    if (lock === undefined) throw this.#closedError;
    return lock;
  }

  /** As {@link lock}, but doesn't wait: undefined where somebody else has some of the range. */
  tryLock(position: ByteCount = 0, size: ByteCount = Infinity, shared = false): FileLock | undefined {
    this.#check(shared ? "read" : "write");
    return this.#locks.try(lockRange(position, size), shared);
  }

  /** Closes the file and releases its locks, when the calls that are under way have ended. The second time does nothing. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#running);
    this.#locks.clear();
    await fsCall(`close ${this.#name}`, "close", closeFd(this.#fd));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
