/** The files of a guest that is lent the engine: found by their paths, looked at, and opened. */
import { closeSync, constants, fstatSync } from "node:fs";
import { openFlags } from "../../core/abi/numbers.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { TransferError } from "../../core/error.ts";
import { asNew, type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import { checkedPath } from "../../core/wasi/component.ts";
import { inspectFd } from "../ends/inspect.ts";
import { callFailed, codeOf, explained } from "../support/system-error.ts";
import type { EngineMachine } from "./engine-machine.ts";
import type { Lent } from "./roots.ts";

/** A path of the guest's: its root, and the rest. */
export interface GuestPath {
  readonly name: string;
  readonly root: Lent;
  readonly path: string;
}

/** An open file of an instance's. */
export class OpenHandle implements Disposable {
  readonly name: string;
  readonly write: boolean;
  /** Whether the call that opened it has made it. */
  readonly created: boolean;
  #fd: number;

  constructor(name: string, flags: number, fd: number) {
    this.name = name;
    this.write = (flags & openFlags.write) !== 0;
    this.created = (flags & openFlags.exclusive) !== 0;
    this.#fd = fd;
  }

  /** -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /** The second time does nothing. */
  [Symbol.dispose](): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) closeSync(fd);
  }
}

export const modes = {
  read: openFlags.read,
  write: openFlags.read | openFlags.write | openFlags.create,
} as const;

export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/") + 1) || ".";

export class LentFiles {
  readonly #machine: EngineMachine;
  readonly #lent: readonly Lent[];
  #isClosed = false;

  constructor(machine: EngineMachine, lent: readonly Lent[]) {
    this.#machine = machine;
    this.#lent = lent;
  }

  /** Finds the root of a path: the one with the longest name. */
  find(argument: string, name: string): GuestPath {
    if (this.#isClosed) throw new TransferError("Cannot open: the instance is closed", { code: "ERR_SLUICE_CLOSED" });
    const path = checkedPath(argument, name);
    let best: GuestPath | undefined;
    for (const root of this.#lent) {
      const base = root.name === "/" ? "/" : `${root.name}/`;
      if (!path.startsWith(base) && path !== root.name) continue;
      if (best !== undefined && best.root.name.length >= root.name.length) continue;
      best = { name, root, path: path.slice(base.length).replace(/^\/+/, "") || "." };
    }
    if (best === undefined) throw callFailed(`open ${name}`, "openat2", "ENOENT");
    return best;
  }

  #openFd({ name, root, path }: GuestPath, flags: number): number {
    if (flags & openFlags.write && !root.write) throw callFailed(`open ${name}`, "openat2", "EROFS");
    try {
      return root.folder.open(path, flags);
    } catch (error) {
      throw explained(error, `open ${name}`, "openat2");
    }
  }

  /** Describes a regular file, and refuses what a guest could be made to wait for, or that has effects of its own. */
  #inspect(fd: number, name: string): Endpoint {
    const found = inspectFd(this.#machine.native, fd, name);
    if (found.kind === "directory") throw callFailed(`open ${name}`, "openat2", "EISDIR");
    if (found.kind === "file") return found;
    throw new TransferError(`Cannot open ${name}: it is not a regular file`, { code: "ERR_SLUICE_UNSUPPORTED" });
  }

  open(where: GuestPath, flags: number): OpenHandle {
    const file = new OpenHandle(where.name, flags, this.#openFd(where, flags));
    try {
      this.#inspect(file.fd, where.name);
      return file;
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  /** Opens a target, and makes it where it isn't there. */
  openTarget(where: GuestPath): OpenHandle {
    try {
      return this.open(where, modes.write | openFlags.exclusive);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      return this.open(where, modes.write);
    }
  }

  /** Takes away a file that was made for nothing: the same one, still empty. */
  takeBack({ root, path }: GuestPath, { fd }: OpenHandle): void {
    const ours = fstatSync(fd, { bigint: true });
    const there = root.folder.stat(path, false);
    const same = there.dev === ours.dev && there.ino === ours.ino;
    if (same && there.size === 0n && there.nlink === 1n) root.folder.unlink(path);
  }

  /** Looks at what an open would find, without opening it. */
  #look<T>(where: GuestPath, mode: number, see: (fd: number) => T, flags = 0): T {
    const fd = this.#openFd(where, openFlags.path | flags);
    try {
      const found = see(fd);
      const answer = this.#machine.native.sluice_access(fd, mode);
      if (answer < 0) throw callFailed(`open ${where.name}`, "openat2", errnoName(-answer));
      return found;
    } finally {
      closeSync(fd);
    }
  }

  lookAtSource(where: GuestPath): Endpoint {
    const source = this.#look(where, constants.R_OK, (fd) => this.#inspect(fd, where.name));
    return { ...source, readable: true };
  }

  /** A target as it is, or as it would be. */
  lookAtTarget(where: GuestPath): Endpoint {
    const { name, path, root } = where;
    if (!root.write) throw callFailed(`open ${name}`, "openat2", "EROFS");
    try {
      const target = this.#look(where, constants.W_OK, (fd) => this.#inspect(fd, name));
      return { ...target, readable: true, writable: true };
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
    const folder = { ...where, path: parentOf(path) };
    const inspect = (fd: number) => inspectFd(this.#machine.native, fd, name);
    const { identity, filesystem } = this.#look(folder, constants.W_OK | constants.X_OK, inspect, openFlags.directory);
    return asNew(endpoint({ kind: "file", name, size: 0, identity, filesystem }));
  }

  close(): void {
    this.#isClosed = true;
    for (const { folder } of this.#lent) folder.close();
  }
}
