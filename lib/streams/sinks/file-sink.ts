/** An fs.WriteStream as what a stream is piped to. */
import { WriteStream } from "node:fs";
import type { Native } from "../../../core/abi/abi.ts";
import type { Endpoint } from "../../../core/plan/endpoint.ts";
import { inspectFd } from "../../ends/inspect-fd.ts";
import { type FileWriter, isPlainFile } from "../internals.ts";
import { replacedWriting } from "../originals.ts";
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

  open(native: Native): Endpoint | string {
    const { fd } = this.queue;
    return fd === null ? "the file is not open" : inspectFd(native, fd, String(this.queue.path));
  }

  get fd(): number | undefined {
    return this.queue.fd ?? undefined;
  }

  get targetOffset(): number | undefined {
    return this.queue.pos;
  }

  sent(body: number): void {
    this.queue.bytesWritten += body;
    if (this.queue.pos !== undefined) this.queue.pos += body;
  }
}
