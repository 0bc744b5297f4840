/** Bun's own objects as ends: Bun.file(path), and the sockets of Bun.listen and Bun.connect. */
import { read } from "node:fs";
import { promisify } from "node:util";
import { argumentError, TransferError } from "../../core/error.ts";
import { type Connection, ConnectionSource, ConnectionTarget } from "../../lib/ends/connection.ts";
import { FdSource } from "../../lib/ends/fd-source.ts";
import { FdTarget } from "../../lib/ends/fd-target.ts";
import type { SourceEnd } from "../../lib/ends/source.ts";
import type { TargetEnd } from "../../lib/ends/target.ts";

const readAsync = promisify(read);

/** What tells one of Bun's sockets from everything else with an fd. */
interface BunSocket {
  readonly fd: number;
  readonly readyState: number;
  getTLSVersion(): string | null;
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
  shutdown(): void;
  /** By a FIN. */
  close(): void;
  /** By a reset: SO_LINGER of 0, which stays with the connection, whoever else has it open. */
  terminate(): void;
}

function isBunSocket(value: object): value is BunSocket {
  return "fd" in value && "readyState" in value && "pause" in value && "terminate" in value;
}

/** Known before the handshake, too: only sockets without TLS have no version at any time. */
const isEncrypted = (socket: BunSocket): boolean => socket.getTLSVersion() !== null;

/** Its event loop takes EPOLLERR for the end, though all that it means here is that there is a notice. */
export const noNotices = "Bun closes a socket of its own whose error queue is not empty";

class BunConnection implements Connection {
  readonly name = "Bun socket";
  readonly withoutNotices = noNotices;
  readonly readsAtReset = true;
  readonly #socket: BunSocket;

  constructor(socket: BunSocket) {
    this.#socket = socket;
  }

  fd(): number | string {
    if (isEncrypted(this.#socket)) return "TLS encrypts in the process";
    return this.#socket.fd >= 0 ? this.#socket.fd : "the socket shows no descriptor";
  }

  isClosed(): boolean {
    return this.#socket.readyState < 1;
  }

  async read(max: number): Promise<Uint8Array | undefined> {
    const buffer = new Uint8Array(max);
    const { bytesRead } = await readAsync(this.#socket.fd, buffer, 0, max, null);
    return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
  }

  /** Through Bun, which encrypts where it has to: a number for what it took, 0 for no room, -1 for a dead connection. */
  async write(bytes: Uint8Array): Promise<number> {
    const taken = this.#socket.write(bytes);
    if (taken > 0) return taken;
    throw Object.assign(new Error("Bun's socket took nothing"), { code: taken === 0 ? "EAGAIN" : "EPIPE" });
  }

  async shutdown(): Promise<void> {
    this.#socket.shutdown();
  }

  close(reset: boolean): void {
    if (reset) this.#socket.terminate();
    else this.#socket.close();
  }

  stopReading(): () => void {
    this.#socket.pause();
    return () => this.#socket.resume();
  }
}

/** Those that were found to be whole. Bun keeps the size it was first asked for, so that a file which grows looks like a slice. */
const whole = new WeakSet<Blob>();

/**
 * The path of a whole Bun.file, or undefined for anything else. A name says nothing: it can be set, and that of a
 * file in a form is the client's choice. What Bun prints is the only thing that tells a Bun.file from those.
 */
function bunFilePath(value: object): string | undefined {
  if (!(value instanceof Blob)) return undefined;
  const shown = Bun.inspect(value);
  if (shown.startsWith("FileRef (fd:"))
    throw argumentError("ERR_INVALID_ARG_VALUE", "a Bun.file without a path can't be used: pass its descriptor");
  const { name } = value as Blob & { readonly name?: string };
  if (name === undefined || !shown.startsWith(`FileRef ("${name}")`)) return undefined;
  if (!whole.has(value) && value.size !== Bun.file(name).size)
    throw argumentError("ERR_INVALID_ARG_VALUE", "a slice of a Bun.file can't be used: pass offset and length instead");
  whole.add(value);
  return name;
}

/** Recognises a source. */
export function source(value: object): SourceEnd | undefined {
  const path = bunFilePath(value);
  if (path !== undefined) return new FdSource(path);
  if (!isBunSocket(value)) return undefined;
  if (isEncrypted(value))
    throw new TransferError("Cannot send Bun socket: what TLS decrypts goes to its data callback alone", {
      code: "ERR_SLUICE_UNSUPPORTED",
    });
  return new ConnectionSource(new BunConnection(value));
}

/** Recognises a target. */
export function target(value: object): TargetEnd | undefined {
  const path = bunFilePath(value);
  if (path !== undefined) return new FdTarget(path, undefined);
  return isBunSocket(value) ? new ConnectionTarget(new BunConnection(value)) : undefined;
}
