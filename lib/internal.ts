/** `sluice/internal`: what the command line is made of besides the public functions. It makes no promise to anybody else. */
import type { FileHandle } from "node:fs/promises";
import { withProgress } from "../core/error.ts";
import type { Endpoint } from "../core/plan/endpoint.ts";
import { explainPlan, type Explanation } from "../core/plan/explain.ts";
import { select } from "../core/plan/select.ts";
import type { Report } from "../core/transfer/report.ts";
import { checkOptions, type TransferOptions } from "../core/transfer/request.ts";
import { type PartialFile, writeInGoes } from "./copy/partial-file.ts";
import { WholeFile, type WholeFileOptions } from "./copy/whole-file.ts";
import { machineOf } from "./engine/machine.ts";
import type { Runtime } from "./runtime.ts";

export { errnoText, isErrnoName } from "../core/abi/errno.ts";
export { type Endpoint, endpoint, type EndpointKind, sizeIsTrusted } from "../core/plan/endpoint.ts";
export { sampleEndpoint, sampleWords } from "../core/plan/explain.ts";
export { strategyNames } from "../core/plan/strategies.ts";
export { cacheModes } from "../core/transfer/request.ts";
export type { PartialFile } from "./copy/partial-file.ts";
export type { WholeFileOptions } from "./copy/whole-file.ts";
export { openChecked } from "./fetch/beneath.ts";
export { isHidden } from "./fetch/request-path.ts";
export { codeOf } from "./support/system-error.ts";

/** What needs a runtime. */
export interface Internal {
  /** Writes a regular file: readers of the path see the old one or the whole new one. */
  writeWhole<T extends Report>(
    path: string,
    options: WholeFileOptions,
    write: (file: FileHandle) => Promise<T>,
  ): Promise<T>;
  /** See `copy/partial-file.ts`. */
  writeInGoes(path: string, durable: boolean, write: (partial: PartialFile) => Promise<Report>): Promise<Report>;
  /** Explains a transfer between two ends that need not exist. */
  explainEnds(source: Endpoint, target: Endpoint, options: TransferOptions): Explanation;
  /** Raises the limit on open files of this process, as far as it may; without the engine it stays. */
  allowFiles(count: number): void;
}

export function createInternal(runtime: Runtime): Internal {
  return {
    async writeWhole(path, options, write) {
      const file = await WholeFile.create(machineOf(runtime), path, options);
      try {
        const report = await write(file.handle);
        await file.publish().catch((error: unknown) => {
          throw withProgress(error, report);
        });
        return report;
      } finally {
        await file.dispose();
      }
    },
    writeInGoes: async (path, durable, write) => writeInGoes(machineOf(runtime), path, durable, write),
    explainEnds: (source, target, options) =>
      explainPlan(select(source, target, checkOptions(options), machineOf(runtime).knowledge)),
    allowFiles(count) {
      const { native } = machineOf(runtime);
      // rlim_t is wider, but the ABI's numbers have 32 bits.
      if (typeof native !== "string" && count < 2 ** 31) native.sluice_allow_files(count);
    },
  };
}
