/** `handle` of sluice:transfer/native: a regular file beneath a root, and what it may cost. */
import { readSync, writeSync } from "node:fs";
import type * as Native from "../../wasm/types/host/interfaces/sluice-transfer-native.d.ts";
import { checkedCount, errorCase, hostDialect, optionsOf, reportRecord } from "../../core/wasi/component.ts";
import { TransferError } from "../../core/error.ts";
import { inspectFd } from "../ends/inspect-fd.ts";
import { callFailed } from "../support/system-error.ts";
import { answeringBy } from "./answer.ts";
import type { Budget } from "./budget.ts";
import type { EngineMachine } from "./engine-machine.ts";
import { setSize } from "./folder.ts";
import { move } from "./guest-plan.ts";
import type { OpenHandle } from "./lent-files.ts";

/** Most bytes that one read gives. */
const mostRead = 2 ** 20;

/** Whatever is thrown leaves as a case of WIT's variant. */
export const answering = <T>(what: string, call: () => T): T =>
  answeringBy(call, (code, error) => {
    const isTold = error instanceof TransferError || code.startsWith("ERR_");
    return errorCase(isTold ? error : callFailed(what, "open", code, error), hostDialect);
  });

/** The class of one instance's handles: no other instance's are of it. */
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
      if (file === undefined) return;
      budget.closed(file);
      file[Symbol.dispose]();
    }
  };
}
