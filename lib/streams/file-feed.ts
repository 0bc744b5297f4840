/** An fs.ReadStream as a source. */
import { read, ReadStream } from "node:fs";
import { promisify } from "node:util";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { inspectFd } from "../ends/inspect.ts";
import type { Feed, Range } from "./feed.ts";
import { type FileReader, isPlainFile } from "./internals.ts";
import type { FileMethods } from "./quick-close.ts";

const readFile = promisify(read);

export class FileFeed implements Feed {
  readonly kind = "file";
  readonly stream: FileReader;
  readonly #methods: FileMethods;
  #offset: number;

  /** `methods`: how it reads on, and how it closes when nothing was left to read. */
  constructor(stream: ReadStream, methods: FileMethods) {
    this.stream = stream as FileReader;
    this.#offset = this.stream.pos ?? stream.bytesRead;
    this.#methods = methods;
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
    const { end } = this.stream;
    return end === Infinity ? undefined : Math.max(0, end + 1 - this.#offset);
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

  get complete(): boolean {
    return this.#offset > this.stream.end;
  }

  moved(bytes: number): void {
    this.#offset += bytes;
    this.stream.bytesRead += bytes;
    // The descriptor itself has not moved: from now on the stream has to say where it reads.
    this.stream.pos = this.#offset;
  }

  async readAhead(length: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let at = 0; at < length;) {
      const { bytesRead } = await readFile(this.fd, bytes, at, length - at, this.#offset + at);
      if (bytesRead === 0) return bytes.subarray(0, at);
      at += bytesRead;
    }
    return bytes;
  }

  begin(): void {
    // It reads when it is asked to.
  }

  letGo(): void {
    // The stream closes its own descriptor.
  }

  close(): void {
    // It has no idle time.
  }

  get closesItself(): boolean {
    return this.stream.autoClose;
  }

  finish(): void {
    if (this.stream._destroy === ReadStream.prototype._destroy) this.stream._destroy = this.#methods._destroy;
    this.stream.push(null);
  }

  giveBack(): void {
    this.#methods._read.call(this.stream, this.stream.readableHighWaterMark);
  }
}
