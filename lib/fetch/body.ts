/** Files as bodies of Responses: ordinary streams, behind which a server of ours finds the descriptor again. */
import { TransferError } from "../../core/error.ts";
import type { OpenFile } from "./open-file.ts";
import type { Part, Piece } from "./ranges.ts";
import { atRequestEnd } from "./request-end.ts";
import type { FilePart } from "./traits.ts";

export type Body = ReadableStream<Uint8Array>;

/** Bytes of one read: with 64 KiB a server of a runtime's own takes half as much time again. */
const chunkSize = 131_072;

const isBytes = (piece: Piece): piece is Uint8Array => piece instanceof Uint8Array;

/** What a stream pulls its bytes from. */
class FileSource {
  readonly type = "bytes";
  readonly file: OpenFile;
  readonly pieces: readonly Piece[];
  isTouched = false;
  /** Lets the request go, which would close the file at its end. */
  forget: (() => void) | undefined;
  /** Node collects the signal of a Request with it, whoever listens to that: then no abort would close the file. */
  request: Request | undefined;
  #next = 0;
  /** Bytes of the piece at hand that have been given. */
  #given = 0;

  constructor(file: OpenFile, pieces: readonly Piece[]) {
    this.file = file;
    this.pieces = pieces;
  }

  async pull(controller: ReadableByteStreamController): Promise<void> {
    this.isTouched = true;
    const piece = this.pieces[this.#next];
    if (piece === undefined) throw new RangeError("There is nothing left to give");
    const chunk = isBytes(piece) ? piece.slice() : await this.#read(piece);
    this.#given += chunk.length;
    if (this.#given === piece.length) {
      this.#next++;
      this.#given = 0;
    }
    controller.enqueue(chunk);
    if (this.#next < this.pieces.length) return;
    this.file.close();
    controller.close();
  }

  async #read({ start, length }: Part): Promise<Uint8Array<ArrayBuffer>> {
    if (this.file.isClosed) throw new DOMException("The request was aborted", "AbortError");
    const position = start + this.#given;
    const missing = length - this.#given;
    const buffer = new Uint8Array(Math.min(missing, chunkSize));
    try {
      const count = await this.file.read(buffer, position);
      if (count > 0) return buffer.subarray(0, count);
      throw new TransferError(
        `Cannot send file: expected ${missing} more bytes at offset ${position}, source was truncated`,
        { code: "ERR_SLUICE_TRUNCATED", bytesTransferred: this.#given, sourceOffset: position, path: this.file.path },
      );
    } catch (error) {
      this.file.close();
      throw error;
    }
  }

  cancel(): void {
    this.isTouched = true;
    this.file.close();
  }
}

const sources = new WeakMap<Body, FileSource>();

/** The last resort: another server dropped a Response, unread, uncancelled and without an abort. */
const abandoned = new FinalizationRegistry<OpenFile>((file) => file.close());

/**
 * Makes a stream that owns the file. It is closed at the end of its request unless it is being read.
 *
 * @param cancels whether the server cancels it by itself when the client goes, so that the signal is left alone
 */
export function fileBody(request: Request, file: OpenFile, pieces: readonly Piece[], cancels: boolean): Body {
  const source = new FileSource(file, pieces);
  // Nothing is read before it is asked for.
  const body: Body = new ReadableStream(source, { highWaterMark: 0 });
  sources.set(body, source);
  const drop = () => {
    if (!body.locked) file.close();
  };
  source.forget = atRequestEnd(request, drop);
  if (source.forget !== undefined) return body;
  abandoned.register(body, file);
  if (cancels) return body;
  // It has no reader any more; a rejection would be one more error for a server to tell of.
  source.request = request;
  if (request.signal.aborted) file.close();
  request.signal.addEventListener("abort", () => file.close(), { once: true });
  return body;
}

/** Takes the file from behind an untouched body; undefined for other bodies, and for several ranges. */
export function takeFile(body: Body): FilePart | undefined {
  const source = sources.get(body);
  const [piece, ...others] = source?.pieces ?? [];
  if (source === undefined || piece === undefined || isBytes(piece) || others.length > 0) return undefined;
  if (body.locked || source.isTouched || source.file.isClosed) return undefined;
  // Locked for good: it has nothing to give any more.
  body.getReader();
  // A download may take hours; the stream and its Response need not wait for it.
  source.forget?.();
  return { fd: source.file.release(), start: piece.start, length: piece.length, path: source.file.path };
}
