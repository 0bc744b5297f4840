/** Connections and files that a runtime's streams are tried on. All of them are gone when it is closed. */
import type { EventEmitter } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { Socket } from "node:net";
import type { Native } from "../../core/abi/abi.ts";
import { errnoName } from "../../core/abi/errno.ts";
import type { FileReader, FileWriter } from "./internals.ts";

function check(answer: number, what: string): number {
  if (answer < 0) throw new Error(`there is no ${what} to try it on: ${errnoName(-answer)}`);
  return answer;
}

/** What goes wrong shows in what arrives; an error that nobody hears would end the process. */
function withoutErrors<S extends EventEmitter>(stream: S): S {
  return stream.on("error", () => {});
}

/** Bytes in which no word comes twice. */
function pattern(length: number): Buffer {
  const words = new Uint32Array(length / 4);
  for (let index = 0; index < words.length; index++) words[index] = Math.imul(index, 2_654_435_761);
  return Buffer.from(words.buffer);
}

export class Bed {
  /** More than goes out at once, so that turns are taken and waited for. */
  readonly large = pattern(300_000);
  /** So little that none is. */
  readonly small = this.large.subarray(0, 5000);
  readonly #native: Native;
  readonly #sockets: Socket[] = [];
  readonly #streams: (FileReader | FileWriter)[] = [];
  readonly #files: number[] = [];

  constructor(native: Native) {
    this.#native = native;
  }

  /** Both ends of a new connection, which keep no process alive. */
  connect(): readonly [Socket, Socket] {
    const ends = new Int32Array(2);
    check(this.#native.sluice_socket_pair(new Uint8Array(ends.buffer)), "connection");
    const [near, far] = [...ends].map((fd) => this.#socket(fd));
    if (near === undefined || far === undefined) throw new TypeError("A pair has two ends");
    return [near, far];
  }

  #socket(fd: number): Socket {
    const socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
    this.#sockets.push(withoutErrors(socket.unref()));
    return socket;
  }

  /** The descriptor of a new file in memory. */
  file(content: Uint8Array): number {
    const fd = check(this.#native.sluice_memory_file(content, content.byteLength), "file in memory");
    this.#files.push(fd);
    return fd;
  }

  reader(fd: number): FileReader {
    return this.#own(fd, (own) => createReadStream("", { fd: own, start: 0, autoClose: false }) as FileReader);
  }

  writer(fd: number): FileWriter {
    return this.#own(fd, (own) => createWriteStream("", { fd: own, start: 0, autoClose: false }) as FileWriter);
  }

  /**
   * A stream with a duplicate of its own, closed when nothing of the stream is under way any more: a write in another
   * thread must not meet a number that is somebody else's by then.
   */
  #own<S extends FileReader | FileWriter>(fd: number, make: (own: number) => S): S {
    const own = check(this.#native.sluice_duplicate(fd), "descriptor");
    const stream = make(own);
    withoutErrors<EventEmitter>(stream).once("close", () => this.#native.sluice_close(own));
    this.#streams.push(stream);
    return stream;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    for (const stream of this.#streams) {
      // The runtime waits for its own work, and closes nothing: a Node worker warns of descriptors that it hasn't opened.
      stream.fd = null;
      stream.destroy();
    }
    for (const fd of this.#files) this.#native.sluice_close(fd);
  }
}
