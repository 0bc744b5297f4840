/** `handle` of sluice:transfer/native: a regular file beneath a root, and what it may cost. */
import { closeSync, ftruncateSync, readSync, writeSync } from "node:fs";
import type * as Native from "../../wasm/types/host/interfaces/sluice-transfer-native.ts";
import {
  checkedCount,
  type ErrorCase,
  errorCase,
  hostDialect,
  optionsOf,
  reportRecord,
} from "../../core/wasi/component.ts";
import { asNew, type Endpoint, isSameFile } from "../../core/plan/endpoint.ts";
import { TransferError } from "../../core/error.ts";
import type { Report } from "../../core/transfer/report.ts";
import { checkOptions, type TransferOptions } from "../../core/transfer/request.ts";
import { type Plan, select } from "../../core/plan/select.ts";
import { driveSync, transferLoop } from "../../core/transfer/transfer.ts";
import { inspectFd } from "../ends/inspect.ts";
import { callFailed, codeOf } from "../support/system-error.ts";
import { Answer } from "./answer.ts";
import type { Budget } from "./budget.ts";
import type { EngineMachine } from "./engine-machine.ts";
import { setSize } from "./folder.ts";

/** Most bytes that one read gives. */
const mostRead = 2 ** 20;

/** Whatever is thrown leaves as a case of WIT's variant, but for what is no error of ours: that is a bug, and a trap. */
export function answering<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Answer) throw error;
    const code = codeOf(error);
    if (code === undefined) throw error;
    const told =
      error instanceof TransferError || code.startsWith("ERR_") ? error : callFailed(what, "open", code, error);
    throw new Answer<ErrorCase<bigint, undefined>>(errorCase(told, hostDialect), error);
  }
}

/** An open file of an instance's. */
export interface OpenHandle {
  readonly name: string;
  readonly write: boolean;
  /** Whether the call that opened it has made it. */
  readonly created?: boolean;
  fd: number;
}

/** The plan of a transfer between two ends that the budget allows, and whether the target is emptied first. */
export function decide(
  machine: EngineMachine,
  budget: Budget,
  source: Endpoint,
  target: Endpoint,
  options: TransferOptions,
): { readonly plan: Plan; readonly emptying: boolean } {
  // What nobody may wait for is never the portable path: `buffered` serves every pair of files.
  const asked = checkOptions({ ...options, fallback: false });
  const emptying = asked.targetOffset === undefined;
  if (emptying && isSameFile(source, target))
    throw new TransferError(`Cannot send ${source.name}: source and target are the same file`, {
      code: "ERR_SLUICE_OVERLAP",
    });
  const plan = select(source, target, { ...asked, targetOffset: asked.targetOffset ?? 0 }, machine.knowledge);
  checkPlan(budget, plan);
  return { plan, emptying };
}

/** Moves what the options say between two open files; `onStart` is called when nothing can refuse any more. */
export function move(
  machine: EngineMachine,
  budget: Budget,
  from: OpenHandle,
  to: OpenHandle,
  options: TransferOptions,
  onStart?: () => void,
): Report {
  const target = inspectFd(machine.native, to.fd, to.name);
  const ends = [inspectFd(machine.native, from.fd, from.name), to.created === true ? asNew(target) : target] as const;
  const { plan, emptying } = decide(machine, budget, ...ends, options);
  onStart?.();
  if (emptying) ftruncateSync(to.fd, 0);
  return runPlan(machine, budget, plan, from.fd, to.fd);
}

/** Whether the budget allows it, before anything is changed. */
function checkPlan(budget: Budget, { source, length, targetOffset }: Plan): number {
  if (length === undefined)
    throw new TransferError(`Cannot send ${source.name}: its size is unknown`, { code: "ERR_SLUICE_UNSUPPORTED" });
  budget.checkFile((targetOffset ?? 0) + length);
  budget.check(length);
  return length;
}

/** Runs a plan on this thread, within the budget. */
export function runPlan(machine: EngineMachine, budget: Budget, plan: Plan, source: number, target: number): Report {
  const started = performance.now();
  budget.spend(checkPlan(budget, plan));
  const account = driveSync(transferLoop(plan, machine.capabilities), (job) => machine.engine.run(source, target, job));
  return { ...account, leaseBroken: false, durationNs: Math.round((performance.now() - started) * 1e6) };
}

/** The class of one instance's handles: they are nobody else's. */
export type HandleClass = new (file: OpenHandle) => Disposable;

export function handleClass(machine: EngineMachine, budget: Budget): HandleClass {
  return class Handle implements Disposable {
    /** A guest's bad handle comes as an object that has the prototype and not this. */
    #file: OpenHandle | undefined;

    constructor(file: OpenHandle) {
      this.#file = file;
    }

    static #of(handle: Handle): OpenHandle {
      const file = #file in handle ? handle.#file : undefined;
      if (file === undefined) throw callFailed("use the handle", "handle", "EBADF");
      if (file.fd < 0)
        throw new TransferError("Cannot use the handle: the instance is closed", { code: "ERR_SLUICE_CLOSED" });
      return file;
    }

    static #writable(handle: Handle): OpenHandle {
      const file = Handle.#of(handle);
      if (!file.write) throw callFailed(`write ${file.name}`, "write", "EBADF");
      return file;
    }

    size(): bigint {
      return answering("use the handle", () => {
        const { fd, name } = Handle.#of(this);
        return BigInt(inspectFd(machine.native, fd, name).size ?? 0);
      });
    }

    read(offset: bigint, length: bigint): Uint8Array {
      return answering("read", () => {
        const { fd } = Handle.#of(this);
        const at = checkedCount("offset", offset);
        const bytes = new Uint8Array(Math.min(checkedCount("length", length), mostRead, budget.left));
        if (bytes.length === 0 && length > 0n) budget.spend(1);
        const count = readSync(fd, bytes, 0, bytes.length, at);
        budget.spend(count);
        return bytes.subarray(0, count);
      });
    }

    write(offset: bigint, bytes: Uint8Array): void {
      answering("write", () => {
        const { fd } = Handle.#writable(this);
        const at = checkedCount("offset", offset);
        budget.checkFile(checkedCount("the end of what is written", at + bytes.length));
        budget.spend(bytes.length);
        for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
      });
    }

    setSize(size: bigint): void {
      answering("set the size", () => {
        const { fd } = Handle.#writable(this);
        const length = checkedCount("size", size);
        budget.checkFile(length);
        setSize(fd, length);
      });
    }

    transferTo(target: Handle, options: Native.TransferOptions): Native.Report {
      return answering("transfer", () => {
        const [from, to] = [Handle.#of(this), Handle.#writable(target)];
        return reportRecord(move(machine, budget, from, to, optionsOf(options)), hostDialect);
      });
    }

    [Symbol.dispose](): void {
      const file = #file in this ? this.#file : undefined;
      this.#file = undefined;
      if (file === undefined || file.fd < 0) return;
      const { fd } = file;
      file.fd = -1;
      budget.closed(file);
      closeSync(fd);
    }
  };
}
