/** An fs.WriteStream as what a stream is piped to. */
import { WriteStream } from "node:fs";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { inspectFd } from "../ends/inspect.ts";
import { type FileWriter, isPlainFile } from "./internals.ts";
import { replacedWriting } from "./originals.ts";
import type { Sink } from "./sink.ts";

export class FileSink implements Sink {
  readonly kind = "file";
  readonly queue: FileWriter;

  constructor(stream: WriteStream) {
    this.queue = stream as FileWriter;
  }

  objection(): string | undefined {
    const stream = this.queue;
    if (stream.destroyed || stream.writableEnded) return "the file is closed for writing";
    if (!isPlainFile(stream)) return "the file is written by other functions than those of node:fs";
    const replaced = replacedWriting(stream) !== undefined || stream.constructor !== WriteStream;
    return replaced ? "the file's write has been replaced" : undefined;
  }

  readonly isConnection = false;
  readonly immediate = false;

  get corked(): boolean {
    return this.queue.writableCorked > 0;
  }

  ready(): undefined {
    return undefined;
  }

  open(native: Native): Endpoint | string {
    const { fd } = this.queue;
    return fd === null ? "the file is not open" : inspectFd(native, fd, String(this.queue.path));
  }

  get fd(): number | undefined {
    return this.queue.fd ?? undefined;
  }

  letGo(): void {
    // The stream closes its own descriptor.
  }

  close(): void {
    // It has no idle time.
  }

  get targetOffset(): number | undefined {
    return this.queue.pos;
  }

  commit(): undefined {
    return undefined;
  }

  readonly room = Infinity;
  readonly framed = false;
  readonly unit = Infinity;

  readonly commits = false;

  head(): string {
    return "";
  }

  tail(): string {
    return "";
  }

  begin(): void {
    // A file has no idle time.
  }

  headSent(): void {
    // A file has none.
  }

  bodySent(bytes: number): void {
    this.queue.bytesWritten += bytes;
    if (this.queue.pos !== undefined) this.queue.pos += bytes;
  }

  abort(): void {
    this.queue.destroy();
  }
}
