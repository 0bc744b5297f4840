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
  #offset = 0;

  /** `read` is Node's own `_read`. */
  constructor(stream: ReadStream, read: Read) {
    this.stream = stream as FileReader;
    this.#read = read;
  }

  get fd(): number {
    return this.stream.fd ?? -1;
  }

  objection(): string | undefined {
    return isPlainFile(this.stream) ? undefined : "the file is read by other functions than those of node:fs";
  }

  inspect(native: Native): Endpoint | string {
    const source = inspectFd(native, this.fd, "file");
    if (source.kind !== "file") return "the source is not a regular file";
    if (source.size === undefined) return "the file's size is not its length (procfs and its like)";
    const { pos, path } = this.stream;
    // A descriptor that was given without a start is read from where it stands, and moves.
    if (pos === undefined && path === undefined) return "the descriptor is read from its own position";
    this.#offset = pos ?? this.stream.bytesRead;
    return source;
  }

  range({ size = 0 }: Endpoint): Range {
    const offset = this.#offset;
    return { offset, length: Math.max(0, Math.min(size, this.stream.end + 1) - offset) };
  }

  get bounded(): boolean {
    return this.stream.end !== Infinity;
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
