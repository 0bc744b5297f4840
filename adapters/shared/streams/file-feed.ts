/** An fs.ReadStream as a source. */
import type { ReadStream } from "node:fs";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { inspectFd } from "../inspect.ts";
import type { Feed, Range } from "./feed.ts";
import { type FileReader, isPlainFile } from "./internals.ts";

type Read = (this: ReadStream, size: number) => void;

export class FileFeed implements Feed {
  readonly stream: FileReader;
  readonly #read: Read;
  #offset: number;

  /** `read` is Node's own `_read`. */
  constructor(stream: ReadStream, read: Read) {
    this.stream = stream as FileReader;
    this.#offset = this.stream.pos ?? stream.bytesRead;
    this.#read = read;
  }

  get fd(): number {
    return this.stream.fd ?? -1;
  }

  objection(): string | undefined {
    if (!isPlainFile(this.stream)) return "the file is read by other functions than those of node:fs";
    const { pos, path } = this.stream;
    // A descriptor that was given without a start is read from where it stands, and moves.
    return pos === undefined && path === undefined ? "the descriptor is read from its own position" : undefined;
  }

  get offset(): number {
    return this.#offset;
  }

  get askedLength(): number | undefined {
    return this.bounded ? Math.max(0, this.stream.end + 1 - this.#offset) : undefined;
  }

  inspect(native: Native): Endpoint | string {
    const source = inspectFd(native, this.fd, "file");
    if (source.kind !== "file") return "the source is not a regular file";
    if (source.size === undefined) return "the file's size is not its length (procfs and its like)";
    return source;
  }

  range({ size = 0 }: Endpoint): Range {
    const offset = this.#offset;
    return { offset, length: Math.max(0, Math.min(size, this.stream.end + 1) - offset) };
  }

  get bounded(): boolean {
    return this.stream.end !== Infinity;
  }

  get complete(): boolean {
    return this.#offset > this.stream.end;
  }

  moved(bytes: number): void {
    this.#offset += bytes;
    this.stream.bytesRead += bytes;
    // The descriptor itself has not moved: from now on the stream has to say where it reads.
    this.stream.pos = this.#offset;
  }

  begin(): void {
    // It reads when it is asked to.
  }

  close(): void {
    // The stream closes its own descriptor.
  }

  finish(): void {
    this.stream.push(null);
  }

  giveBack(): void {
    this.#read.call(this.stream, this.stream.readableHighWaterMark);
  }
}
