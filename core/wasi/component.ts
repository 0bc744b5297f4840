/**
 * What crosses the boundary of a WebAssembly component, as wasm/wit/types.wit has it: core's own values as records and
 * variants, and back. Guest and host speak two dialects of the same shapes.
 */
import type { Capability } from "../plan/capabilities.ts";
import { type ErrnoName, isErrnoName } from "../abi/errno.ts";
import { argumentError, thrownCode, TransferError, type TransferErrorDetails } from "../error.ts";
import type { Explanation } from "../explain/explanation.ts";
import type { Copied, Strategy } from "../plan/kernel.ts";
import type { Attempt, Report } from "../transfer/report.ts";
import { pathMax } from "../path.ts";
import type { TransferOptions } from "../transfer/request.ts";

/** What a u64 and an absent option are in JavaScript. */
export interface Dialect<Count, None> {
  /** A size or position: a safe integer. */
  count(value: number): Count;
  readonly none: None;
}

/** As components on QuickJS have it: a u64 is a number, and wrong beyond 2^53. */
export const guestDialect: Dialect<number, null> = { count: (value) => value, none: null };

/** As hosts by jco have it. */
export const hostDialect: Dialect<bigint, undefined> = { count: BigInt, none: undefined };

export interface DetailsRecord<Count, None> {
  message: string;
  bytesTransferred: Count;
  sourceOffset: Count | None;
}

type Plain = "truncated" | "unsupported" | "overlap" | "closed" | "invalid-argument" | "limit-exceeded" | "failed";

export type ErrorCase<Count, None> =
  | { tag: "system"; val: { errno: Lowercase<ErrnoName>; details: DetailsRecord<Count, None> } }
  | { [Tag in Plain]: { tag: Tag; val: DetailsRecord<Count, None> } }[Plain];

/** The code of a {@link TransferError} for each case that isn't the system's, and the other way round. */
export const caseCodes: Readonly<Record<Plain, string>> = {
  truncated: "ERR_SLUICE_TRUNCATED",
  unsupported: "ERR_SLUICE_UNSUPPORTED",
  overlap: "ERR_SLUICE_OVERLAP",
  closed: "ERR_SLUICE_CLOSED",
  "invalid-argument": "ERR_INVALID_ARG_VALUE",
  "limit-exceeded": "ERR_SLUICE_LIMIT",
  failed: "ERR_SLUICE_FAILED",
};

const plainCases = new Map(Object.entries(caseCodes).map(([tag, code]) => [code, tag as Plain]));

const argumentCodes: ReadonlySet<string> = new Set([
  "ERR_INVALID_ARG_TYPE",
  "ERR_OUT_OF_RANGE",
  "ERR_INVALID_ARG_VALUE",
]);

function details<Count, None>(error: Error, dialect: Dialect<Count, None>): DetailsRecord<Count, None> {
  const { bytesTransferred, sourceOffset } =
    error instanceof TransferError ? error : { bytesTransferred: 0, sourceOffset: undefined };
  return {
    message: error.message,
    bytesTransferred: dialect.count(bytesTransferred),
    sourceOffset: sourceOffset === undefined ? dialect.none : dialect.count(sourceOffset),
  };
}

const lower = (name: ErrnoName): Lowercase<ErrnoName> => name.toLowerCase() as Lowercase<ErrnoName>;

/** An error as the variant's case. What is no error of ours comes as `failed`. */
export function errorCase<Count, None>(error: unknown, dialect: Dialect<Count, None>): ErrorCase<Count, None> {
  const thrown = error instanceof Error ? error : new Error(String(error));
  const code = thrownCode(thrown) ?? "ERR_SLUICE_FAILED";
  const val = details(thrown, dialect);
  if (isErrnoName(code)) return { tag: "system", val: { errno: lower(code), details: val } };
  return { tag: argumentCodes.has(code) ? "invalid-argument" : (plainCases.get(code) ?? "failed"), val };
}

/** A case as the error that this runtime's own `transfer()` would have thrown. `number` reads a u64. */
export function errorOfCase<Count, None>(
  { tag, val }: ErrorCase<Count, None>,
  number: (value: Count) => number,
): TransferError {
  const { message, bytesTransferred, sourceOffset } = tag === "system" ? val.details : val;
  const code = tag === "system" ? val.errno.toUpperCase() : caseCodes[tag];
  const described: TransferErrorDetails = {
    code,
    bytesTransferred: number(bytesTransferred),
    sourceOffset: sourceOffset === undefined || sourceOffset === null ? undefined : number(sourceOffset as Count),
  };
  return new TransferError(message, described);
}

export interface OptionsRecord<Count, None> {
  offset: Count;
  length: Count | None;
  targetOffset: Count | None;
  strategies: readonly string[];
}

/**
 * The options of a transfer, to be checked by `checkOptions`. A guest's u64 beyond 2^53 is no number to rely on, and one
 * beyond 2^63 is negative: both are out of range there.
 */
export function optionsOf(record: OptionsRecord<number | bigint, null | undefined>): TransferOptions {
  const { offset, length, targetOffset, strategies } = record;
  return {
    offset,
    length: length ?? undefined,
    targetOffset: targetOffset ?? undefined,
    strategy: strategies.length === 0 ? "auto" : (strategies as readonly Strategy[]),
  };
}

/** A u64 that came over the boundary, checked. @throws RangeError */
export function checkedCount(name: string, value: number | bigint): number {
  const count = Number(value);
  if (!Number.isSafeInteger(count) || count < 0)
    throw argumentError("ERR_OUT_OF_RANGE", `${name} must be a whole number from 0 to 2^53 - 1, got ${value}`);
  return count;
}

/** A path that came over the boundary. @throws TypeError for one that no system takes */
export function checkedPath(name: string, path: string): string {
  if (path === "" || path.length >= pathMax || path.includes("\0"))
    throw argumentError(
      "ERR_INVALID_ARG_VALUE",
      `${name} must be a path of 1 to ${pathMax - 1} characters, without a NUL`,
    );
  return path;
}

export interface AttemptRecord<Count, None> {
  strategy: string;
  bytes: Count;
  code: string | None;
  reason: string;
}

export interface ReportRecord<Count, None> {
  bytes: Count;
  strategy: string | None;
  attempts: AttemptRecord<Count, None>[];
  copied: Copied;
  syscalls: Count;
  cpuNs: Count;
  durationNs: Count;
}

type Reported = Pick<Report, "bytes" | "strategy" | "attempts" | "copied" | "syscalls" | "cpuNs" | "durationNs">;

export function reportRecord<Count, None>(report: Reported, dialect: Dialect<Count, None>): ReportRecord<Count, None> {
  const { count, none } = dialect;
  const attempt = ({ strategy, bytes, code, reason }: Attempt) => ({
    strategy,
    bytes: count(bytes),
    code: code ?? none,
    reason,
  });
  return {
    bytes: count(report.bytes),
    strategy: report.strategy ?? none,
    attempts: report.attempts.map(attempt),
    copied: report.copied,
    syscalls: count(report.syscalls),
    cpuNs: count(Math.round(report.cpuNs)),
    durationNs: count(Math.max(0, Math.round(report.durationNs))),
  };
}

interface EndRecord<Count, None> {
  name: string;
  kind: string;
  size: Count | None;
}

export interface ExplanationRecord<Count, None> {
  source: EndRecord<Count, None>;
  target: EndRecord<Count, None>;
  offset: Count | None;
  length: Count | None;
  candidates: { strategy: string; reason: string; copies: string; switchesPerRound: number; copied: Copied }[];
  rejected: { strategy: string; reason: string }[];
  drawing: string;
}

export function explanationRecord<Count, None>(
  explanation: Explanation,
  dialect: Dialect<Count, None>,
): ExplanationRecord<Count, None> {
  const optional = (value: number | undefined) => (value === undefined ? dialect.none : dialect.count(value));
  const end = ({ name, kind, size }: Explanation["source"]) => ({ name, kind, size: optional(size) });
  return {
    source: end(explanation.source),
    target: end(explanation.target),
    offset: optional(explanation.offset),
    length: optional(explanation.length),
    candidates: explanation.candidates.map(({ strategy, reason, copies, switchesPerRound, copied }) => ({
      strategy,
      reason,
      copies,
      switchesPerRound,
      copied,
    })),
    rejected: explanation.rejected.map(({ strategy, reason }) => ({ strategy, reason })),
    drawing: explanation.drawing(),
  };
}

export interface CapabilitiesRecord {
  engine: boolean;
  reason: string;
  strategies: { strategy: string; ability: Capability["ability"]; reason: string }[];
}

export function capabilitiesRecord(
  engine: Pick<Capability, "ability" | "reason">,
  strategies: Readonly<Record<string, Capability>>,
): CapabilitiesRecord {
  const list = Object.entries(strategies).map(([strategy, { ability, reason }]) => ({ strategy, ability, reason }));
  return { engine: engine.ability === "yes", reason: engine.reason, strategies: list };
}
