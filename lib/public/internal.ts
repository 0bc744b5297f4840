/** `sluice/internal`: what the command line is made of besides the public functions. It makes no promise. */
import type { BigIntStats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { withProgress } from "../../core/error.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { explainPlan, type Explanation } from "../../core/explain/explanation.ts";
import { select } from "../../core/plan/select.ts";
import type { Report } from "../../core/transfer/report.ts";
import { checkOptions, type TransferOptions } from "../../core/transfer/request.ts";
import { type PartialFile, writeInGoes as partialFile } from "../copy/partial-file.ts";
import { setTimes } from "../copy/times.ts";
import { WholeFile, type WholeFileOptions } from "../copy/whole-file.ts";
import { currentRuntime } from "../current.ts";
import { machineFor, type Machine, machineOf } from "../engine/machine.ts";

export { errnoText, isErrnoName } from "../../core/abi/errno.ts";
export { type Endpoint, endpoint, type EndpointKind, sizeIsTrusted } from "../../core/plan/endpoint.ts";
export { sampleEndpoint, sampleWords } from "../../core/explain/samples.ts";
export { strategyNames } from "../../core/plan/strategies.ts";
export { cacheModes } from "../../core/transfer/request.ts";
export type { PartialFile } from "../copy/partial-file.ts";
export type { WholeFileOptions } from "../copy/whole-file.ts";
export { openBeneath } from "../confine/open-beneath.ts";
export { isHidden } from "../fetch/request-path.ts";
export { questionFolder, questionHeader, questionName } from "../../core/question.ts";
export type { StreamAnswer } from "../streams/report.ts";
export { codeOf } from "../support/system-error.ts";

const machine = (): Machine => machineOf(currentRuntime());

/** Writes a regular file: readers of the path see the old one or the whole new one. */
export async function writeWhole<T extends Report>(
  path: string,
  options: WholeFileOptions,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await WholeFile.create(machine(), path, options);
  try {
    const report = await write(file.handle);
    await file.publish().catch((error: unknown) => {
      throw withProgress(error, report);
    });
    return report;
  } finally {
    await file.dispose();
  }
}

/** Gives a file, or a folder, the times of another, to the nanosecond. */
export async function keepTimes(file: FileHandle, source: BigIntStats): Promise<void> {
  await setTimes(machine(), source, file);
}

/** See `copy/partial-file.ts`. */
export async function writeInGoes(
  path: string,
  durable: boolean,
  write: (partial: PartialFile) => Promise<Report>,
): Promise<Report> {
  return partialFile(machine(), path, durable, write);
}

/** Explains a transfer between two ends that need not exist. */
export function explainEnds(source: Endpoint, target: Endpoint, options: TransferOptions): Explanation {
  return explainPlan(select(source, target, checkOptions(options), machine().knowledge));
}

/** Why there is no engine, or undefined. */
export function missingEngine(): string | undefined {
  const found = machineFor(currentRuntime());
  if (typeof found === "string") return found;
  return typeof found.native === "string" ? found.native : undefined;
}

/** Raises the limit on open files of this process, as far as it may; without the engine it stays. */
export function allowFiles(count: number): void {
  const { native } = machine();
  // rlim_t is wider, but the ABI's numbers have 32 bits.
  if (typeof native !== "string" && count < 2 ** 31) native.sluice_allow_files(count);
}
