/** Copies of whole files, beneath the folder that holds the target. */
import { type BigIntStats, closeSync, fchmodSync, fchownSync, fstatSync, fsyncSync } from "node:fs";
import { basename } from "node:path/posix";
import type * as Native from "../../wasm/types/host/interfaces/sluice-transfer-native.d.ts";
import { openFlags } from "../../core/abi/numbers.ts";
import { temporaryName } from "../../core/path.ts";
import { isSameFile } from "../../core/plan/endpoint.ts";
import { select } from "../../core/plan/select.ts";
import { checkNotSource, checkReplaced, replacingMode } from "../../core/replace.ts";
import type { Report } from "../../core/transfer/report.ts";
import { checkOptions } from "../../core/transfer/request.ts";
import { ownerRefusals, permissionsOf } from "../copy/inherit.ts";
import { inspectFd } from "../ends/inspect-fd.ts";
import { callFailed, codeOf, explained } from "../support/system-error.ts";
import type { Budget } from "./budget.ts";
import type { EngineMachine } from "./engine-machine.ts";
import type { Folder } from "./folder.ts";
import { runPlan } from "./guest-plan.ts";
import { type GuestPath, type LentFiles, type OpenHandle, parentOf } from "./lent-files.ts";

/** Names of temporaries that may be taken before the next is given up. */
const mostTries = 100;

interface Temporary {
  readonly fd: number;
  readonly path: string;
}

function createTemporary(folder: Folder, last: string, name: string): Temporary {
  const flags = openFlags.read | openFlags.write | openFlags.create | openFlags.exclusive;
  for (let tries = 1; ; tries++) {
    const path = temporaryName(last, crypto.randomUUID());
    try {
      return { fd: folder.open(path, flags), path };
    } catch (error) {
      if (codeOf(error) !== "EEXIST" || tries === mostTries) throw explained(error, `copy to ${name}`, "openat2");
    }
  }
}

/** What has a name that a copy is to get: a link itself. */
function occupant(folder: Folder, last: string): BigIntStats | undefined {
  try {
    return folder.stat(last, false);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function publish(folder: Folder, temporary: string, last: string, overwrite: boolean): void {
  if (overwrite) return folder.rename(temporary, folder, last);
  // A link fails where the name is taken meanwhile; a rename would replace it.
  folder.link(temporary, folder, last);
  folder.unlink(temporary);
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

export class GuestCopies {
  readonly #machine: EngineMachine;
  readonly #budget: Budget;
  readonly #files: LentFiles;

  constructor(machine: EngineMachine, budget: Budget, files: LentFiles) {
    this.#machine = machine;
    this.#budget = budget;
    this.#files = files;
  }

  copy(from: GuestPath, target: GuestPath, options: Native.CopyOptions): Report {
    const what = `copy to ${target.name}`;
    if (!target.root.write) throw callFailed(what, "openat2", "EROFS");
    if (/(^|\/)\.{0,2}$/.test(target.path)) throw callFailed(what, "openat2", "EISDIR");
    this.#budget.checkOpen();
    const source = this.#files.open(from, openFlags.read);
    try {
      this.#checkExisting(source, target, options.overwrite);
      return this.#copyInto(target, source, options);
    } finally {
      source[Symbol.dispose]();
    }
  }

  /** What a name is that is about to be taken; undefined where it is free. */
  #existing(target: GuestPath): OpenHandle | undefined {
    try {
      return this.#files.open(target, openFlags.read);
    } catch (error) {
      // One that can't be read can still be replaced.
      if (codeOf(error) === "ENOENT" || codeOf(error) === "EACCES") return undefined;
      throw error;
    }
  }

  #checkExisting(source: OpenHandle, target: GuestPath, overwrite: boolean): void {
    const old = this.#existing(target);
    if (old === undefined) return;
    try {
      const there = this.#inspect(old.fd, old.name);
      checkReplaced(target.name, there.kind, overwrite);
      checkNotSource(target.name, isSameFile(this.#inspect(source.fd, source.name), there));
    } finally {
      old[Symbol.dispose]();
    }
  }

  #inspect(fd: number, name: string) {
    return inspectFd(this.#machine.native, fd, name);
  }

  /** A symbolic link that has the target's name is replaced, not followed. */
  #copyInto(target: GuestPath, source: OpenHandle, { overwrite, durable }: Native.CopyOptions): Report {
    const last = basename(target.path);
    const folder = target.root.folder.folder(parentOf(target.path));
    try {
      const old = occupant(folder, last);
      const { fd, path } = createTemporary(folder, last, target.name);
      let done = false;
      try {
        const report = this.#fill(fd, source, target, old?.isFile() ? old : undefined);
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

  #fill(fd: number, source: OpenHandle, { name }: GuestPath, old: BigIntStats | undefined): Report {
    // Only its owner may read the new content until the old mode is known to fit it.
    if (old !== undefined) fchmodSync(fd, 0o600);
    const request = checkOptions({ targetOffset: 0, fallback: false });
    const ends = [this.#inspect(source.fd, source.name), this.#inspect(fd, name)] as const;
    const plan = select(...ends, request, this.#machine.knowledge);
    const report = runPlan(this.#machine, this.#budget, plan, source.fd, fd);
    if (old !== undefined) inheritOwner(fd, old);
    return report;
  }
}
