/** A file with a position, after java.nio.channels.FileChannel. */
import { checkBuffer, count, countOrAll, lockRange } from "../../core/channel.ts";
import { type Paths, tellingPaths, TransferError, withPaths, withPathsIn } from "../../core/error.ts";
import type { MapMode } from "../../core/mapping.ts";
import type { ByteCount } from "../../core/options.ts";
import type { Report } from "../../core/transfer/report.ts";
import type { Source, Target } from "../api.ts";
import type { Machine } from "../engine/machine.ts";
import { map } from "../map/map.ts";
import type { MappedFile } from "../map/mapped-file.ts";
import { callFailed } from "../support/system-error.ts";
import { transfer } from "../transfer/transfer.ts";
import { type FileLock, Locks } from "./locks.ts";
import type { PositionalFile } from "./positional-file.ts";
import { answered, type ChannelTransferOptions, chosen } from "./options.ts";

/**
 * A file with a position. Reads and writes without a position start at the channel's own, one after the other in the
 * order of their calls, and move it; those with one neither use it nor move it.
 *
 * All throw TransferError `ERR_SLUICE_CLOSED` on a closed channel, `EBADF` where the file is not open for it, and
 * TypeError or RangeError for positions and counts that are negative or no whole numbers of bytes.
 */
export class FileChannel implements AsyncDisposable {
  readonly #machine: Machine;
  readonly #file: PositionalFile;
  readonly #locks: Locks;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #position = 0;
  /** The last of the calls that use the channel's position. */
  #last: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /** Not to be called: `openFile()` makes channels. */
  constructor(machine: Machine, file: PositionalFile) {
    this.#machine = machine;
    this.#file = file;
    this.#locks = new Locks(machine, file.fd, file.name);
  }

  get #paths(): Paths {
    return { path: this.#file.name };
  }

  get #closedError(): TransferError {
    return new TransferError(`Cannot use ${this.#file.name}: the channel is closed`, {
      code: "ERR_SLUICE_CLOSED",
      ...this.#paths,
    });
  }

  #check(need?: "read" | "write"): void {
    if (this.#closed !== undefined) throw this.#closedError;
    if (need !== undefined && !this.#file.allows(need))
      throw withPaths(callFailed(`${need} ${this.#file.name}`, need, "EBADF"), this.#paths);
  }

  /** Runs a call that `close()` has to wait for: the descriptor must not become another file's under it. */
  #run<T>(work: () => Promise<T>, paths = this.#paths): Promise<T> {
    const running = tellingPaths(paths, work());
    const ended = () => this.#running.delete(running);
    this.#running.add(running);
    running.then(ended, ended);
    return running;
  }

  /** Runs a call that uses the channel's position after those before it. */
  #inTurn<T>(work: () => Promise<T>, paths = this.#paths): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return this.#run(() => turn, paths);
  }

  /** The descriptor, for as long as the channel is open. It stays the channel's. */
  get fd(): number {
    this.#check();
    return this.#file.fd;
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
    return this.#run(() => this.#file.size());
  }

  /** Reads into a buffer: how many bytes, at most as many as it holds. 0 at the end of the file (Java: -1). */
  async read(buffer: Uint8Array, position?: ByteCount): Promise<number> {
    this.#check("read");
    checkBuffer(buffer);
    if (position !== undefined) {
      const at = count("position", position);
      return this.#run(() => this.#file.read(buffer, at));
    }
    return this.#inTurn(async () => {
      const bytes = await this.#file.read(buffer, this.#position);
      this.#position += bytes;
      return bytes;
    });
  }

  /** Writes all of a buffer. A file that was opened to append takes it at its end, whatever the position (pwrite(2)). */
  async write(buffer: Uint8Array, position?: ByteCount): Promise<number> {
    this.#check("write");
    checkBuffer(buffer);
    if (position !== undefined) {
      const at = count("position", position);
      return this.#run(() => this.#file.write(buffer, at));
    }
    return this.#inTurn(async () => {
      const bytes = await this.#file.write(buffer, this.#position);
      this.#position = this.#file.appends ? await this.#file.size() : this.#position + bytes;
      return bytes;
    });
  }

  /** Cuts the file; one that is no longer is left alone. A position past the new end moves there. */
  async truncate(size: ByteCount): Promise<void> {
    this.#check("write");
    const length = count("size", size);
    return this.#inTurn(async () => {
      await this.#file.cut(length);
      this.#position = Math.min(this.#position, length);
    });
  }

  /** Waits until what was written is on the disk: fsync(2), or fdatasync(2) where the times don't matter. */
  async force(metaData = true): Promise<void> {
    this.#check();
    return this.#run(() => this.#file.sync(metaData));
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
      return answered(
        await this.#run(() => transfer(this.#machine, this.#file.fd, target, { ...rest, ...range })),
        options,
      );
    target.#check("write");
    const paths = { ...this.#paths, dest: target.#file.name };
    const moving = () =>
      target.#moving(async () => {
        const targetOffset = target.#file.appends ? undefined : target.#position;
        return transfer(this.#machine, this.#file.fd, target.#file.fd, { ...rest, ...range, targetOffset });
      });
    const report = await this.#run(() => target.#inTurn(moving, paths), paths);
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
    const paths = { path: source instanceof FileChannel ? source.#file.name : undefined, dest: this.#file.name };
    const report = await this.#run(async () => {
      if (at > (await this.#file.size())) return undefined;
      const range = { length: most, targetOffset: this.#file.appends ? undefined : at };
      if (!(source instanceof FileChannel))
        return transfer(this.#machine, source, this.#file.fd, { ...rest, ...range });
      const moving = () =>
        source.#moving(async () =>
          transfer(this.#machine, source.#file.fd, this.#file.fd, { ...rest, ...range, offset: source.#position }),
        );
      return source.#inTurn(moving, paths);
    }, paths);
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
      this.#position = this.#file.appends ? await this.#file.size() : this.#position + moved;
    }
  }

  /** Maps a part of the file; see `map()`. The mapping outlives the channel. */
  map(mode: MapMode = "read", position: ByteCount = 0, size?: ByteCount): MappedFile {
    this.#check("read");
    return map(this.#machine, this.#file.fd, { mode, offset: position, length: size }, this.#file.name);
  }

  /**
   * Locks a part of the file against other channels and processes that ask, and waits for it where another has
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

  /** As {@link lock}, but doesn't wait: undefined where another has some of the range. */
  tryLock(position: ByteCount = 0, size: ByteCount = Infinity, shared = false): FileLock | undefined {
    this.#check(shared ? "read" : "write");
    const range = lockRange(position, size);
    return withPathsIn(this.#paths, () => this.#locks.try(range, shared));
  }

  /** Closes the file and releases its locks, when the calls that are under way have ended. The second time does nothing. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#running);
    this.#locks.clear();
    await tellingPaths(this.#paths, this.#file.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
