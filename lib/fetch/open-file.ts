/** A file that has been opened to be served: one descriptor, closed once, and never under a read. */
import { closeSync, read, type Stats } from "node:fs";

export class OpenFile {
  readonly stats: Stats;
  #fd: number;
  #isReading = false;
  #isUnwanted = false;

  constructor(fd: number, stats: Stats) {
    this.#fd = fd;
    this.stats = stats;
  }

  get size(): number {
    return this.stats.size;
  }

  get isClosed(): boolean {
    return this.#fd < 0 || this.#isUnwanted;
  }

  /** Reads up to the length of the buffer: how many bytes there were. */
  read(buffer: Uint8Array, position: number): Promise<number> {
    this.#isReading = true;
    return new Promise((resolve, reject) => {
      read(this.#fd, buffer, 0, buffer.length, position, (error, count) => {
        this.#isReading = false;
        // Its number would have been another file's by now, had it been closed before.
        if (this.#isUnwanted) this.close();
        if (error === null) resolve(count);
        else reject(error);
      });
    });
  }

  /** Gives the descriptor away, to be closed by whoever takes it. */
  release(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  /** On this thread: it takes a microsecond, and forty by way of the thread pool. */
  close(): void {
    this.#isUnwanted = true;
    if (this.#fd < 0 || this.#isReading) return;
    closeSync(this.release());
  }
}
