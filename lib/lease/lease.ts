/** File leases: being told before another process changes a file. */
import { closeSync } from "node:fs";
import { leaseStates, leaseTypes } from "../../core/abi/numbers.ts";
import { type Endpoint, isSameFile } from "../../core/plan/endpoint.ts";
import { errnoName, errnoNumber, errnoText } from "../../core/abi/errno.ts";
import { argumentError, shown, tellingPaths, TransferError } from "../../core/error.ts";
import { checkHoldMs, type LeaseType } from "../../core/lease.ts";
import { checkKnown } from "../../core/options.ts";
import type { LeaseOptions, LeaseSource } from "../api.ts";
import type { Engine } from "../engine/engine.ts";
import type { Machine } from "../engine/machine.ts";
import { nameOf, openSource } from "../ends/open-path.ts";

/** Another process waits for the lease to be released. */
export interface LeaseBreak {
  /** What the other process wants to do: "read", or "write", which is to open for writing or to truncate. */
  readonly wanted: LeaseType;
  /** After how long the lease is released by itself, in milliseconds; 0: it has been. */
  readonly remainingMs: number;
}

const wantedNames = ["write", "read", "write"] as const satisfies readonly LeaseType[];

/** Answers that say that there are no leases here at all. */
const unsupported: ReadonlySet<string> = new Set(["EINVAL", "ENOSYS", "EOPNOTSUPP", "ENOTTY", "ENOLCK"]);

const explanations: Readonly<Record<string, Readonly<Record<LeaseType, string>>>> = {
  EAGAIN: {
    read: "it is open for writing, by this process or another",
    write: "it is open elsewhere too, in this process or another",
  },
  EACCES: {
    read: "only its owner, or a process with CAP_LEASE, may",
    write: "only its owner, or a process with CAP_LEASE, may",
  },
};

function refused(name: string, type: LeaseType, code: string, errno: number): TransferError {
  const what = `Cannot lease ${name}: ${explanations[code]?.[type] ?? errnoText(code)} (${code}, fcntl)`;
  const cause = new TransferError(what, { code, errno, syscall: "fcntl" });
  if (!unsupported.has(code)) return cause;
  return new TransferError(`Cannot lease ${name}: there are no leases on such a file (${code}, fcntl)`, {
    code: "ERR_SLUICE_UNSUPPORTED",
    errno,
    syscall: "fcntl",
    cause,
  });
}

/** A lease on a file. It does not keep the process alive unless {@link Lease.ref} is called. */
export class Lease implements Disposable, AsyncDisposable {
  readonly type: LeaseType;
  /** Resolves when another process wants the file, or with undefined when the lease was released before that. Never rejects. */
  readonly broken: Promise<LeaseBreak | undefined>;
  readonly #engine: Engine;
  readonly #handle: number;
  #settle: (how: LeaseBreak | undefined) => void = () => {};
  #isHeld = true;
  #isReferenced = false;
  #wasWanted = false;

  private constructor(engine: Engine, handle: number, type: LeaseType) {
    this.#engine = engine;
    this.#handle = handle;
    this.type = type;
    this.broken = new Promise((resolve) => (this.#settle = resolve));
    engine.leases.watch(handle, (wanted, remainingNs) =>
      this.#settle({ wanted: wantedNames[wanted] ?? "write", remainingMs: remainingNs / 1e6 }),
    );
  }

  /** @throws TransferError where there are no leases on any file */
  static check({ engine, native }: Machine, name: string): Engine {
    if (engine !== undefined) return engine;
    throw new TransferError(`Cannot lease ${name}: ${String(native)}`, { code: "ERR_SLUICE_UNSUPPORTED" });
  }

  /**
   * What can be known of a read lease before it is taken: there is none while the file is open for writing, the
   * transfer itself included.
   *
   * @throws TransferError `EAGAIN`, or where there are no leases on any file
   */
  static foresee(machine: Machine, source: Endpoint, target: Endpoint): void {
    Lease.check(machine, source.name);
    const isWritten = source.writable || (target.writable && isSameFile(source, target));
    if (isWritten) throw refused(source.name, "read", "EAGAIN", errnoNumber("EAGAIN"));
  }

  /** Takes a lease on a descriptor, which may be closed afterwards. */
  static take(machine: Machine, fd: number, name: string, type: LeaseType, holdMs = 0): Lease {
    const engine = Lease.check(machine, name);
    const handle = engine.leases.open(fd, leaseTypes[type], holdMs);
    if (handle < 0) throw refused(name, type, errnoName(-handle), -handle);
    return new Lease(engine, handle, type);
  }

  /** Lets the process that waits for the file go on. Answers whether the lease was held until now. May be called again. */
  release(): boolean {
    if (!this.#isHeld) return false;
    this.#isHeld = false;
    this.unref();
    this.#settle(undefined);
    const state = this.#engine.leases.release(this.#handle);
    this.#wasWanted = state === leaseStates.wanted;
    return state !== leaseStates.gone;
  }

  /** Whether another process was waiting for the file when the lease was released, told by {@link broken} or not. */
  get wasWanted(): boolean {
    return this.#wasWanted;
  }

  /** Keeps the process alive while the lease is held. */
  ref(): this {
    if (this.#isHeld && !this.#isReferenced) this.#engine.ref();
    this.#isReferenced ||= this.#isHeld;
    return this;
  }

  unref(): this {
    if (this.#isReferenced) this.#engine.unref();
    this.#isReferenced = false;
    return this;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }
}

function descriptorOf(source: unknown): number | undefined {
  if (typeof source === "number") return source;
  if (typeof source !== "object" || source === null || !("fd" in source)) return undefined;
  return typeof source.fd === "number" ? source.fd : undefined;
}

/** Takes a lease; see the entry of each runtime for the contract. */
export async function lease(
  machine: Machine,
  source: LeaseSource,
  type: LeaseType,
  options: LeaseOptions = {},
): Promise<Lease> {
  checkKnown(options, { holdMs: true });
  if (type !== "read" && type !== "write")
    throw argumentError("ERR_INVALID_ARG_VALUE", `type must be "read" or "write", got ${shown(type)}`);
  const holdMs = checkHoldMs("holdMs", options.holdMs);
  const fd = descriptorOf(source);
  if (fd !== undefined) return Lease.take(machine, fd, `fd ${fd}`, type, holdMs);
  if (typeof source !== "string" && !(source instanceof URL))
    throw argumentError(
      "ERR_INVALID_ARG_TYPE",
      `source must be a path, URL, file descriptor or FileHandle, got ${shown(source)}`,
    );
  return tellingPaths({ path: nameOf(source) }, leasePath(machine, source, type, holdMs));
}

async function leasePath(machine: Machine, path: string | URL, type: LeaseType, holdMs: number): Promise<Lease> {
  const opened = await openSource(path);
  try {
    return Lease.take(machine, opened.fd, opened.name, type, holdMs);
  } finally {
    closeSync(opened.fd);
  }
}
