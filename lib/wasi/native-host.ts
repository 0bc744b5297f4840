/** sluice:transfer/native, as a host gives it to one instance. */
import { type BigIntStats, closeSync, constants, fchmodSync, fchownSync, fstatSync, fsyncSync } from "node:fs";
import { basename } from "node:path/posix";
import type * as Native from "../../wasm/types/host/interfaces/sluice-transfer-native.ts";
import { openFlags } from "../../core/abi/abi.ts";
import {
  capabilitiesRecord,
  checkedPath,
  explanationRecord,
  hostDialect,
  optionsOf,
  reportRecord,
} from "../../core/wasi/component.ts";
import { asNew, type Endpoint, endpoint, isSameFile } from "../../core/plan/endpoint.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { TransferError } from "../../core/error.ts";
import { explainPlan } from "../../core/plan/explain.ts";
import type { Report } from "../../core/transfer/report.ts";
import { replacingMode } from "../../core/replace.ts";
import { checkOptions } from "../../core/transfer/request.ts";
import { select } from "../../core/plan/select.ts";
import { ownerRefusals, permissionsOf } from "../copy/inherit.ts";
import { inspectFd } from "../ends/inspect.ts";
import { callFailed, codeOf, explained } from "../support/system-error.ts";
import { Budget, checkLimits } from "./budget.ts";
import type { EngineMachine } from "./engine-machine.ts";
import { type Lent, lendRoots } from "./filesystem.ts";
import type { Folder } from "./folder.ts";
import { answering, decide, handleClass, move, type OpenHandle, runPlan } from "./native-handle.ts";
import type { OpenAt } from "./open-at.ts";
import type { Limits, Roots } from "./options.ts";

/** A path of the guest's: its root, and the rest. */
interface Place {
  readonly name: string;
  readonly root: Lent;
  readonly path: string;
}

const modes = {
  read: openFlags.read,
  write: openFlags.read | openFlags.write | openFlags.create,
} as const satisfies Record<Native.OpenMode, number>;

/** Names of temporaries that may be taken before the next is given up. */
const mostTries = 100;

export interface NativeHost {
  readonly interface: unknown;
  readonly openHandles: number;
  close(): void;
}

/** Makes the interface for one instance. @throws the system's error for a root that can't be opened */
export function createNativeHost(machine: EngineMachine, openAt: OpenAt, roots: Roots, limits: Limits): NativeHost {
  const budget = new Budget(checkLimits(limits));
  const lent = lendRoots(openAt, roots);
  const Handle = handleClass(machine, budget);
  let isClosed = false;

  function place(argument: string, name: string): Place {
    if (isClosed) throw new TransferError("Cannot open: the instance is closed", { code: "ERR_SLUICE_CLOSED" });
    const path = checkedPath(argument, name);
    let best: Place | undefined;
    for (const root of lent) {
      const base = root.name === "/" ? "/" : `${root.name}/`;
      if (!path.startsWith(base) && path !== root.name) continue;
      if (best !== undefined && best.root.name.length >= root.name.length) continue;
      best = { name, root, path: path.slice(base.length).replace(/^\/+/, "") || "." };
    }
    if (best === undefined) throw callFailed(`open ${name}`, "openat2", "ENOENT");
    return best;
  }

  function openPlace({ name, root, path }: Place, flags: number): number {
    if (flags & openFlags.write && !root.write) throw callFailed(`open ${name}`, "openat2", "EROFS");
    try {
      return root.folder.open(path, flags);
    } catch (error) {
      throw explained(error, `open ${name}`, "openat2");
    }
  }

  function inspectFile(fd: number, name: string): Endpoint {
    const found = inspectFd(machine.native, fd, name);
    if (found.kind === "directory") throw callFailed(`open ${name}`, "openat2", "EISDIR");
    if (found.kind === "file") return found;
    throw new TransferError(`Cannot open ${name}: it is not a regular file`, { code: "ERR_SLUICE_UNSUPPORTED" });
  }

  /** Nothing that a guest could be made to wait for, or that has effects of its own. */
  function openFile(where: Place, flags: number): OpenHandle {
    const fd = openPlace(where, flags);
    try {
      inspectFile(fd, where.name);
      return { name: where.name, write: (flags & openFlags.write) !== 0, fd };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  function open(path: string, mode: Native.OpenMode) {
    return answering("open", () => {
      const where = place("path", path);
      budget.checkHandles();
      const file = openFile(where, modes[mode]);
      budget.opened(file);
      return new Handle(file);
    });
  }

  function createTemporary(folder: Folder, last: string, name: string): { readonly fd: number; readonly path: string } {
    const flags = openFlags.read | openFlags.write | openFlags.create | openFlags.exclusive;
    for (let tries = 1; ; tries++) {
      const path = `.${last.slice(0, 60)}.sluice-${crypto.randomUUID()}`;
      try {
        return { fd: folder.open(path, flags), path };
      } catch (error) {
        if (codeOf(error) !== "EEXIST" || tries === mostTries) throw explained(error, `copy to ${name}`, "openat2");
      }
    }
  }

  /** What a name is that is about to be taken; undefined where it is free. */
  function existing({ root, path, name }: Place): OpenHandle | undefined {
    try {
      return openFile({ root, path, name }, openFlags.read);
    } catch (error) {
      // One that can't be read can still be replaced.
      if (codeOf(error) === "ENOENT" || codeOf(error) === "EACCES") return undefined;
      throw error;
    }
  }

  function checkExisting(source: OpenHandle, target: Place, overwrite: boolean): void {
    const old = existing(target);
    if (old === undefined) return;
    try {
      if (!overwrite) throw callFailed(`copy to ${target.name}`, "linkat", "EEXIST");
      if (isSameFile(inspectFd(machine.native, source.fd, source.name), inspectFd(machine.native, old.fd, old.name)))
        throw new TransferError(`Cannot copy ${source.name}: ${target.name} is the same file`, {
          code: "ERR_SLUICE_OVERLAP",
        });
    } finally {
      closeSync(old.fd);
    }
  }

  function publish(folder: Folder, temporary: string, last: string, overwrite: boolean): void {
    if (overwrite) return folder.rename(temporary, folder, last);
    // A link fails where the name is taken meanwhile; a rename would replace it.
    folder.link(temporary, folder, last);
    folder.unlink(temporary);
  }

  /** Opens a target, and says whether that has made it. */
  function openTarget(where: Place): { readonly file: OpenHandle; readonly created: boolean } {
    try {
      return { file: { ...openFile(where, modes.write | openFlags.exclusive), created: true }, created: true };
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      return { file: openFile(where, modes.write), created: false };
    }
  }

  /** Takes away a file that was made for nothing: the same one, still empty. */
  function takeBack({ root, path }: Place, { fd }: OpenHandle): void {
    const ours = fstatSync(fd, { bigint: true });
    const there = root.folder.stat(path, false);
    const same = there.dev === ours.dev && there.ino === ours.ino;
    if (same && there.size === 0n && there.nlink === 1n) root.folder.unlink(path);
  }

  function transfer(from: string, to: string, options: Native.TransferOptions): Native.Report {
    return answering("transfer", () => {
      const [sourcePlace, targetPlace] = [place("source", from), place("target", to)];
      budget.checkHandles();
      const source = openFile(sourcePlace, openFlags.read);
      try {
        const asked = optionsOf(options);
        // What can refuse does so before there is a file.
        const found = inspectFd(machine.native, source.fd, source.name);
        decide(machine, budget, found, lookAtTarget(targetPlace), asked);
        const { file, created } = openTarget(targetPlace);
        let inVain = created;
        try {
          const onStart = () => (inVain = false);
          return reportRecord(move(machine, budget, source, file, asked, onStart), hostDialect);
        } finally {
          if (inVain) takeBack(targetPlace, file);
          closeSync(file.fd);
        }
      } finally {
        closeSync(source.fd);
      }
    });
  }

  /** Looks at what an open would find, without opening it. */
  function look<T>(where: Place, mode: number, see: (fd: number) => T, flags = 0): T {
    const fd = openPlace(where, openFlags.path | flags);
    try {
      const found = see(fd);
      const answer = machine.native.sluice_access(fd, mode);
      if (answer < 0) throw callFailed(`open ${where.name}`, "openat2", errnoName(-answer));
      return found;
    } finally {
      closeSync(fd);
    }
  }

  /** A target as it is, or as it would be. */
  function lookAtTarget(where: Place): Endpoint {
    const { name, path, root } = where;
    if (!root.write) throw callFailed(`open ${name}`, "openat2", "EROFS");
    try {
      return { ...look(where, constants.W_OK, (fd) => inspectFile(fd, name)), readable: true, writable: true };
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
    const folder = { ...where, path: parentOf(path) };
    const inspect = (fd: number) => inspectFd(machine.native, fd, name);
    const { identity, filesystem } = look(folder, constants.W_OK | constants.X_OK, inspect, openFlags.directory);
    return asNew(endpoint({ kind: "file", name, size: 0, identity, filesystem }));
  }

  function explain(from: string, to: string, options: Native.TransferOptions): Native.Explanation {
    return answering("explain", () => {
      const [sourcePlace, targetPlace] = [place("source", from), place("target", to)];
      budget.checkHandles();
      const { name } = sourcePlace;
      const source = look(sourcePlace, constants.R_OK, (fd) => inspectFile(fd, name));
      const ends = [{ ...source, readable: true }, lookAtTarget(targetPlace)] as const;
      const { plan } = decide(machine, budget, ...ends, optionsOf(options));
      return explanationRecord(explainPlan(plan), hostDialect);
    });
  }

  /** What has a name that a copy is to get. */
  function occupant(folder: Folder, last: string): BigIntStats | undefined {
    try {
      return folder.stat(last, false);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** The whole copy, beneath the folder that holds the target. A symbolic link there is replaced, not followed. */
  function copy(source: OpenHandle, target: Place, { overwrite, durable }: Native.CopyOptions): Report {
    const last = basename(target.path);
    const folder = target.root.folder.folder(parentOf(target.path));
    try {
      const old = occupant(folder, last);
      const { fd, path } = createTemporary(folder, last, target.name);
      let done = false;
      try {
        // Nobody may read the new content meanwhile who may not read the old.
        if (old?.isFile()) fchmodSync(fd, 0o600);
        const ends = [
          inspectFd(machine.native, source.fd, source.name),
          inspectFd(machine.native, fd, target.name),
        ] as const;
        const plan = select(...ends, checkOptions({ targetOffset: 0, fallback: false }), machine.knowledge);
        const report = runPlan(machine, budget, plan, source.fd, fd);
        if (old?.isFile()) inheritOwner(fd, old);
        if (durable) fsyncSync(fd);
        publish(folder, path, last, overwrite);
        done = true;
        if (durable) folder.syncNames(last);
        return report;
      } finally {
        closeSync(fd);
        if (!done) folder.unlink(path);
      }
    } finally {
      folder.close();
    }
  }

  function copyFile(from: string, to: string, options: Native.CopyOptions): Native.Report {
    return answering(`copy to ${to}`, () => {
      const [sourcePlace, target] = [place("source", from), place("target", to)];
      if (!target.root.write) throw callFailed(`copy to ${to}`, "openat2", "EROFS");
      if (/(^|\/)\.{0,2}$/.test(target.path)) throw callFailed(`copy to ${to}`, "openat2", "EISDIR");
      budget.checkHandles();
      const source = openFile(sourcePlace, openFlags.read);
      try {
        checkExisting(source, target, options.overwrite);
        return reportRecord(copy(source, target, options), hostDialect);
      } finally {
        closeSync(source.fd);
      }
    });
  }

  function capabilities(): Native.CapabilityReport {
    const { engine, strategies } = machine.report();
    return capabilitiesRecord(engine, strategies);
  }

  return {
    interface: { Handle, open, transfer, explain, copyFile, capabilities },
    get openHandles() {
      return budget.openHandles;
    },
    close() {
      isClosed = true;
      budget.closeAll();
      for (const { folder } of lent) folder.close();
    },
  };
}

/** Owner, group and mode of the file whose place is taken, as far as this process may give them; never set-id bits. */
function inheritOwner(fd: number, old: BigIntStats): void {
  const { uid, gid } = old;
  for (const owner of [uid, fstatSync(fd, { bigint: true }).uid]) {
    try {
      fchownSync(fd, Number(owner), Number(gid));
      break;
    } catch (error) {
      if (!ownerRefusals.has(codeOf(error) ?? "")) throw error;
    }
  }
  fchmodSync(fd, replacingMode(permissionsOf(old), permissionsOf(fstatSync(fd, { bigint: true })), false));
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/") + 1) || ".";
