/** sluice:transfer/native, as a host gives it to one instance. */
import type * as Native from "../../wasm/types/host/interfaces/sluice-transfer-native.d.ts";
import { openFlags } from "../../core/abi/numbers.ts";
import { TransferError } from "../../core/error.ts";
import { explainPlan } from "../../core/explain/explanation.ts";
import {
  capabilitiesRecord,
  explanationRecord,
  hostDialect,
  optionsOf,
  reportRecord,
} from "../../core/wasi/component.ts";
import { inspectFd } from "../ends/inspect-fd.ts";
import type { OpenAt } from "../confine/open-at.ts";
import { Budget, type CheckedLimits } from "./budget.ts";
import type { EngineMachine } from "./engine-machine.ts";
import { GuestCopies } from "./guest-copy.ts";
import { decide, move } from "./guest-plan.ts";
import { LentFiles, modes } from "./lent-files.ts";
import { answering, handleClass } from "./native-handle.ts";
import type { Roots } from "./options.ts";
import { lendRoots } from "./roots.ts";

export interface NativeHost {
  readonly interface: unknown;
  readonly openHandles: number;
  close(): void;
}

/** Makes the interface for one instance. @throws the system's error for a root that can't be opened */
export function createNativeHost(
  machine: EngineMachine,
  openAt: OpenAt,
  roots: Roots,
  limits: CheckedLimits,
): NativeHost {
  const budget = new Budget(
    limits,
    (_, what) => new TransferError(`Cannot go on: ${what}`, { code: "ERR_SLUICE_LIMIT" }),
  );
  const files = new LentFiles(machine, lendRoots(openAt, roots));
  const copies = new GuestCopies(machine, budget, files);
  const Handle = handleClass(machine, budget);

  function open(path: string, mode: Native.OpenMode) {
    return answering("open", () => {
      const where = files.find("path", path);
      budget.checkOpen();
      const file = files.open(where, modes[mode]);
      budget.opened(file);
      return new Handle(file);
    });
  }

  function transfer(from: string, to: string, options: Native.TransferOptions): Native.Report {
    return answering("transfer", () => {
      const [sourcePath, targetPath] = [files.find("source", from), files.find("target", to)];
      budget.checkOpen();
      const source = files.open(sourcePath, openFlags.read);
      try {
        const asked = optionsOf(options);
        // What can refuse does so before there is a file.
        const found = inspectFd(machine.native, source.fd, source.name);
        decide(machine, budget, found, files.lookAtTarget(targetPath), asked);
        const target = files.openTarget(targetPath);
        let inVain = target.created;
        try {
          const onStart = () => (inVain = false);
          return reportRecord(move(machine, budget, source, target, asked, onStart), hostDialect);
        } finally {
          if (inVain) files.takeBack(targetPath, target);
          target[Symbol.dispose]();
        }
      } finally {
        source[Symbol.dispose]();
      }
    });
  }

  function explain(from: string, to: string, options: Native.TransferOptions): Native.Explanation {
    return answering("explain", () => {
      const [sourcePath, targetPath] = [files.find("source", from), files.find("target", to)];
      budget.checkOpen();
      const ends = [files.lookAtSource(sourcePath), files.lookAtTarget(targetPath)] as const;
      const { plan } = decide(machine, budget, ...ends, optionsOf(options));
      return explanationRecord(explainPlan(plan), hostDialect);
    });
  }

  function copyFile(from: string, to: string, options: Native.CopyOptions): Native.Report {
    return answering(`copy to ${to}`, () => {
      const [source, target] = [files.find("source", from), files.find("target", to)];
      return reportRecord(copies.copy(source, target, options), hostDialect);
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
      budget.closeAll();
      files.close();
    },
  };
}
