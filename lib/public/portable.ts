/**
 * Sluice where there is neither FFI nor a file system (edge workers, browsers): the same core over web
 * streams. The bytes pass through JavaScript, and the reports say so.
 */
import { Capabilities, type CapabilityReport, engineReport } from "../../core/plan/capabilities.ts";
import { type Endpoint, endpoint, hasPositions } from "../../core/plan/endpoint.ts";
import { argumentError, TransferError } from "../../core/error.ts";
import { type Explanation, explainPlan } from "../../core/explain/explanation.ts";
import { type Job, nothing, type Outcome, type Strategy } from "../../core/plan/kernel.ts";
import type { Report } from "../../core/transfer/report.ts";
import { checkOptions, type TransferOptions } from "../../core/transfer/request.ts";
import { type Plan, select } from "../../core/plan/select.ts";
import { strategyNames } from "../../core/plan/strategies.ts";
import { drive, transferLoop } from "../../core/transfer/loop.ts";

export { TransferError } from "../../core/error.ts";
export type { Explanation } from "../../core/explain/explanation.ts";
export type { Report } from "../../core/transfer/report.ts";
export type { TransferOptions } from "../../core/transfer/request.ts";

/** Memory, a Blob or a stream of bytes. */
export type Source = Uint8Array | Blob | ReadableStream<Uint8Array>;
export type Target = WritableStream<Uint8Array>;

const reason = "this runtime has neither FFI nor descriptors";
const capabilitiesHere = new Capabilities();
for (const strategy of strategyNames)
  capabilitiesHere.declare(
    strategy,
    strategy === "portable" ? "yes" : "no",
    strategy === "portable" ? "web streams" : reason,
  );

interface Opened {
  readonly endpoint: Endpoint;
  reader(offset: number): ReadableStreamDefaultReader<Uint8Array>;
}

function openSource(source: Source): Opened {
  const common = { fd: false, withoutFd: reason } as const;
  if (source instanceof Uint8Array) {
    const size = source.byteLength;
    const blob = (offset: number) => new Blob([source.subarray(offset) as Uint8Array<ArrayBuffer>]);
    return {
      endpoint: endpoint({ kind: "memory", name: "bytes", size, ...common }),
      reader: (offset) => blob(offset).stream().getReader(),
    };
  }
  if (source instanceof Blob)
    return {
      endpoint: endpoint({ kind: "memory", name: "blob", size: source.size, ...common }),
      reader: (offset) => source.slice(offset).stream().getReader(),
    };
  if (source instanceof ReadableStream)
    return { endpoint: endpoint({ kind: "stream", name: "stream", ...common }), reader: () => source.getReader() };
  throw argumentError("ERR_INVALID_ARG_TYPE", "source must be a Uint8Array, a Blob or a ReadableStream of bytes");
}

function targetEndpoint(target: Target): Endpoint {
  if (!(target instanceof WritableStream))
    throw argumentError("ERR_INVALID_ARG_TYPE", "target must be a WritableStream of bytes");
  if (target.locked) throw argumentError("ERR_INVALID_ARG_VALUE", "target is locked to another writer");
  return endpoint({ kind: "stream", name: "stream", fd: false, withoutFd: reason });
}

function planFor(source: Opened, target: Target, options: TransferOptions): Plan {
  const knowledge = (strategy: Strategy) => capabilitiesHere.of(strategy);
  const request = checkOptions(options);
  if (request.atomic || request.durable)
    throw argumentError("ERR_INVALID_ARG_VALUE", "atomic and durable are for paths as targets");
  return select(source.endpoint, targetEndpoint(target), request, knowledge);
}

/** Reads until the length or the end, and lets go of what a chunk held beyond the length. */
async function run(job: Job, source: Opened, target: Target, options: TransferOptions): Promise<Outcome> {
  const reader = source.reader(job.offset ?? 0);
  const writer = target.getWriter();
  const { signal, onProgress } = options;
  let bytes = 0;
  let stranded = 0;
  const ended = (end: Outcome["end"]): Outcome => ({ ...nothing, end, bytes, stranded });
  // A read that waits is given up; the stream itself stays the caller's.
  const stop = () => reader.releaseLock();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    while (job.length === undefined || bytes < job.length) {
      const { value, done } = await reader.read();
      if (done) return ended("eof");
      const chunk = job.length === undefined ? value : value.subarray(0, job.length - bytes);
      stranded = hasPositions(source.endpoint) ? 0 : value.byteLength;
      await writer.write(chunk);
      bytes += chunk.byteLength;
      stranded = hasPositions(source.endpoint) ? 0 : value.byteLength - chunk.byteLength;
      onProgress?.(bytes);
    }
    return ended("done");
  } catch (cause) {
    return signal?.aborted ? { ...ended("cancelled"), cause: signal.reason } : { ...ended("error"), cause };
  } finally {
    signal?.removeEventListener("abort", stop);
    reader.releaseLock();
    writer.releaseLock();
  }
}

/**
 * Moves bytes from a source to a target. Both streams stay open and unlocked; a stream source gives whole
 * chunks, so a `length` that ends inside one loses its rest.
 *
 * @throws TransferError with `code` and `bytesTransferred`; TypeError, RangeError for wrong arguments
 */
export async function transfer(source: Source, target: Target, options: TransferOptions = {}): Promise<Report> {
  const started = performance.now();
  const opened = openSource(source);
  const plan = planFor(opened, target, options);
  if (options.signal?.aborted)
    throw new TransferError("Cannot transfer: aborted before the first byte", {
      code: "ABORT_ERR",
      cause: options.signal.reason,
    });
  const account = await drive(transferLoop(plan, capabilitiesHere), (job) => run(job, opened, target, options));
  return { ...account, leaseBroken: false, durationNs: Math.round((performance.now() - started) * 1e6) };
}

/** Not here: there is no file system. */
export async function copyFile(_from: string | URL, _to: string | URL): Promise<Report> {
  throw new TransferError("Cannot copy: this runtime has no file system", { code: "ERR_SLUICE_UNSUPPORTED" });
}

/** Says what {@link transfer} would do. */
export async function explain(source: Source, target: Target, options: TransferOptions = {}): Promise<Explanation> {
  return explainPlan(planFor(openSource(source), target, options));
}

/** What this runtime can do. */
export function capabilities(): CapabilityReport {
  const entries = strategyNames.map((name) => [name, capabilitiesHere.of(name)] as const);
  return {
    engine: engineReport(false, reason),
    strategies: Object.fromEntries(entries) as CapabilityReport["strategies"],
    cache: {
      normal: { ability: "yes", reason: "the kernel's own rules" },
      direct: { ability: "no", reason },
      dontcache: { ability: "no", reason },
    },
  };
}
