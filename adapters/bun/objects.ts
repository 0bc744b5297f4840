/** Bun's own objects as ends: Bun.file(path), and the sockets of Bun.listen and Bun.connect. */
import { read, write } from "node:fs";
import { promisify } from "node:util";
import { argumentError } from "../../core/error.ts";
import { type Connection, ConnectionSource, ConnectionTarget } from "../shared/ends/connection.ts";
import { FdSource } from "../shared/ends/fd-source.ts";
import { FdTarget } from "../shared/ends/fd-target.ts";
import type { SourceEnd } from "../shared/ends/source.ts";
import type { TargetEnd } from "../shared/ends/target.ts";

const readAsync = promisify(read);
const writeAsync = promisify(write);

/** What tells one of Bun's sockets from everything else with an fd. */
interface BunSocket {
  readonly fd: number;
  readonly readyState: number;
  readonly authorized: boolean;
  pause(): void;
  resume(): void;
}

function isBunSocket(value: object): value is BunSocket {
  return "fd" in value && "readyState" in value && "pause" in value && "terminate" in value;
}

class BunConnection implements Connection {
  readonly name = "Bun socket";
  readonly #socket: BunSocket;

  constructor(socket: BunSocket) {
    this.#socket = socket;
  }

  fd(): number | string {
    if ("getTLSVersion" in this.#socket && this.#isEncrypted()) return "TLS encrypts in the process";
    return this.#socket.fd >= 0 ? this.#socket.fd : "the socket shows no descriptor";
  }

  #isEncrypted(): boolean {
    const { getTLSVersion } = this.#socket as BunSocket & { getTLSVersion(): string | null };
    return Boolean(getTLSVersion.call(this.#socket));
  }

  isClosed(): boolean {
    return this.#socket.readyState < 1;
  }

  async read(max: number): Promise<Uint8Array | undefined> {
    const buffer = new Uint8Array(max);
    const { bytesRead } = await readAsync(this.#socket.fd, buffer, 0, max, null);
    return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
  }

  async write(bytes: Uint8Array): Promise<number> {
    return (await writeAsync(this.#socket.fd, bytes, 0, bytes.byteLength, null)).bytesWritten;
  }

  stopReading(): () => void {
    this.#socket.pause();
    return () => this.#socket.resume();
  }
}

/** The path of a whole Bun.file, or undefined for anything else. */
function bunFilePath(value: object): string | undefined {
  if (!(value instanceof Blob) || !("name" in value)) return undefined;
  const { name } = value;
  if (typeof name !== "string")
    throw argumentError("ERR_INVALID_ARG_VALUE", "a Bun.file without a path can't be used: pass its descriptor");
  if (value.size !== Bun.file(name).size && value.size !== Infinity)
    throw argumentError("ERR_INVALID_ARG_VALUE", "a slice of a Bun.file can't be used: pass offset and length instead");
  return name;
}

/** Recognises a source. */
export function source(value: object): SourceEnd | undefined {
  const path = bunFilePath(value);
  if (path !== undefined) return new FdSource(path);
  return isBunSocket(value) ? new ConnectionSource(new BunConnection(value)) : undefined;
}

/** Recognises a target. */
export function target(value: object): TargetEnd | undefined {
  const path = bunFilePath(value);
  if (path !== undefined) return new FdTarget(path, undefined);
  return isBunSocket(value) ? new ConnectionTarget(new BunConnection(value)) : undefined;
}
