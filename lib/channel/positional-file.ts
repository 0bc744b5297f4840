/** An open file by calls that say where: pread(2), pwrite(2), and what else a channel asks of its descriptor. */
import { constants, fdatasync, fstat, fsync, ftruncate, read, write } from "node:fs";
import { promisify } from "node:util";
import { closeFd } from "../ends/open.ts";
import { fsCall } from "../support/system-error.ts";

const readAsync = promisify(read);
const writeAsync = promisify(write);
const truncateAsync = promisify(ftruncate);
const statAsync = promisify(fstat);
const syncAsync = promisify(fsync);
const datasyncAsync = promisify(fdatasync);

export class PositionalFile {
  readonly fd: number;
  readonly name: string;
  readonly #access: number;

  /** @param access the flags that it was opened with */
  constructor(fd: number, name: string, access: number) {
    this.fd = fd;
    this.name = name;
    this.#access = access;
  }

  allows(need: "read" | "write"): boolean {
    const mode = this.#access & (constants.O_WRONLY | constants.O_RDWR);
    return mode !== (need === "read" ? constants.O_WRONLY : constants.O_RDONLY);
  }

  get appends(): boolean {
    return (this.#access & constants.O_APPEND) !== 0;
  }

  async size(): Promise<number> {
    return (await fsCall(`use ${this.name}`, "fstat", statAsync(this.fd))).size;
  }

  async read(buffer: Uint8Array, at: number): Promise<number> {
    if (buffer.byteLength === 0) return 0;
    const call = readAsync(this.fd, buffer, 0, buffer.byteLength, at);
    return (await fsCall(`read ${this.name}`, "pread", call)).bytesRead;
  }

  /** Writes all of a buffer; at the end where it appends. */
  async write(buffer: Uint8Array, at: number): Promise<number> {
    let written = 0;
    while (written < buffer.byteLength) {
      const place = this.appends ? null : at + written;
      const call = writeAsync(this.fd, buffer, written, buffer.byteLength - written, place);
      written += (await fsCall(`write ${this.name}`, "pwrite", call)).bytesWritten;
    }
    return written;
  }

  /** Cuts it where it is longer. */
  async cut(length: number): Promise<void> {
    const call = (await this.size()) > length ? truncateAsync(this.fd, length) : undefined;
    if (call !== undefined) await fsCall(`truncate ${this.name}`, "ftruncate", call);
  }

  async sync(metaData: boolean): Promise<void> {
    const sync = metaData ? syncAsync : datasyncAsync;
    await fsCall(`sync ${this.name}`, metaData ? "fsync" : "fdatasync", sync(this.fd));
  }

  async close(): Promise<void> {
    await fsCall(`close ${this.name}`, "close", closeFd(this.fd));
  }
}
