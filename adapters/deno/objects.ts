/** Deno's own objects as ends: TCP and Unix conns. */
import { argumentError, TransferError } from "../../core/error.ts";
import { type Connection, ConnectionSource, ConnectionTarget } from "../../lib/ends/connection.ts";
import type { SourceEnd } from "../../lib/ends/source.ts";
import type { TargetEnd } from "../../lib/ends/target.ts";

/** Accepted TCP conns carry their descriptor under a symbol of this description (Deno 2.9); others don't. */
const fdSymbol = "Deno.internal.fd";

function fdOf(conn: Deno.Conn): unknown {
  const symbol = Object.getOwnPropertySymbols(conn).find(({ description }) => description === fdSymbol);
  return symbol === undefined ? undefined : (conn as unknown as Record<symbol, unknown>)[symbol];
}

class DenoConnection implements Connection {
  readonly name = "Deno conn";
  readonly #conn: Deno.Conn;
  #closed = false;
  /** Whether an empty write is on its way: behind a peer that reads nothing they would pile up. */
  #asking = false;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  fd(): number | string {
    if ("handshake" in this.#conn) return "TLS encrypts in the process";
    const fd = fdOf(this.#conn);
    return typeof fd === "number" && fd >= 0 ? fd : "Deno shows the descriptors of accepted TCP conns only";
  }

  /**
   * The number under the symbol stays when the conn is closed, and may be a stranger's by then. An empty write
   * is queued behind all others and fails on a closed conn, so what follows it in the same turn is safe.
   */
  async settled(): Promise<void> {
    await this.#ask();
    if (this.#closed) throw new TransferError("Cannot use Deno conn: it is closed", { code: "ERR_SLUICE_CLOSED" });
  }

  isClosed(): boolean {
    if (!this.#closed && !this.#asking) void this.#ask();
    return this.#closed;
  }

  /** Only BadResource says that the conn is closed: after closeWrite() an empty write fails too, but reading goes on. */
  async #ask(): Promise<void> {
    this.#asking = true;
    try {
      await this.#conn.write(new Uint8Array(0));
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) this.#closed = true;
    }
    this.#asking = false;
  }

  async read(max: number): Promise<Uint8Array | undefined> {
    const buffer = new Uint8Array(max);
    const count = await this.#conn.read(buffer);
    return count === null ? undefined : buffer.subarray(0, count);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#conn.write(bytes as Uint8Array<ArrayBuffer>);
  }

  shutdown(): Promise<void> {
    return this.#conn.closeWrite();
  }

  close(_reset: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#conn.close();
    } catch (error) {
      // Closed by its owner meanwhile, which an object of Deno's tells nobody.
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}

function isConn(value: object): value is Deno.Conn {
  return "localAddr" in value && "remoteAddr" in value && "closeWrite" in value;
}

function refuseFile(value: object): void {
  if (value instanceof Deno.FsFile)
    throw argumentError(
      "ERR_INVALID_ARG_VALUE",
      "a Deno.FsFile shows no descriptor: pass its path, or a descriptor of node:fs",
    );
}

/** Recognises a source. */
export function source(value: object): SourceEnd | undefined {
  refuseFile(value);
  return isConn(value) ? new ConnectionSource(new DenoConnection(value)) : undefined;
}

/** Recognises a target. */
export function target(value: object): TargetEnd | undefined {
  refuseFile(value);
  return isConn(value) ? new ConnectionTarget(new DenoConnection(value)) : undefined;
}
