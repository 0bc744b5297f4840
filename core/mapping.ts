/**
 * What a mapping of a file is, apart from the kernel: its range, its windows, and what a truncation means.
 *
 * A mapping shows the file as it is now. Where the file has become shorter there is nothing to show, and zeros take its
 * place: from the first such byte on a mapping is lost, and stays so when the file grows again. Offsets are relative to
 * the mapping's start.
 */
import { limits } from "./abi/abi.ts";
import { argumentError, shown, TransferError } from "./error.ts";
import { checkKnown, type Names } from "./options.ts";
import { type ByteCount, optionalCount } from "./transfer/request.ts";

/**
 * What becomes of writes to the view. "read" and "private": they stay in this process, each page being copied when it
 * is first written. "shared": they are the file's at once, and on the disk after `flush()`.
 */
export type MapMode = "read" | "private" | "shared";

/**
 * What is done about a file that others truncate. "guard": zeros take the place of what is lost, and `truncated` tells.
 * "lease": others wait while the file is mapped. "copy": the range is read into memory, and is nobody else's.
 */
export type MapPolicy = "guard" | "lease" | "copy";

export interface MapOptions {
  /** Default "read". */
  readonly mode?: MapMode | undefined;
  /** Where in the file the view starts, in bytes; any byte. Default 0. */
  readonly offset?: ByteCount | undefined;
  /** Bytes of the view; `Infinity` or undefined: to the end of the file as it is now. */
  readonly length?: ByteCount | undefined;
  /** Default "guard". */
  readonly policy?: MapPolicy | undefined;
}

export const mapOptions: Names<MapOptions> = { mode: true, offset: true, length: true, policy: true };

export interface MapRequest {
  readonly mode: MapMode;
  readonly offset: number;
  readonly length: number | undefined;
  readonly policy: MapPolicy;
}

const modes: readonly MapMode[] = ["read", "private", "shared"];
const policies: readonly MapPolicy[] = ["guard", "lease", "copy"];

function oneOf<T extends string>(name: string, choices: readonly T[], value: unknown): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined)
    throw argumentError("ERR_INVALID_ARG_VALUE", `${name} must be one of ${choices.join(", ")}, got ${shown(value)}`);
  return found;
}

/** Why a policy and the mode "shared" exclude each other. */
const notShared: Partial<Record<MapPolicy, string>> = {
  copy: "a copy is not shared with the file",
  lease: "a lease is for those who read (fcntl(2)), and a shared mapping writes",
};

/**
 * Checks the options of a mapping.
 *
 * @throws TypeError, RangeError for values of a wrong type or range
 * @throws TransferError `ERR_SLUICE_UNSUPPORTED` for a copy or a lease that should be shared
 */
export function checkMapOptions(options: MapOptions = {}): MapRequest {
  checkKnown(options, mapOptions);
  const { mode = "read", policy = "guard", length } = options;
  const request = {
    mode: oneOf("mode", modes, mode),
    offset: optionalCount("offset", options.offset) ?? 0,
    length: length === Infinity ? undefined : optionalCount("length", length),
    policy: oneOf("policy", policies, policy),
  };
  const conflict = request.mode === "shared" ? notShared[request.policy] : undefined;
  if (conflict !== undefined) throw new TransferError(`Cannot map: ${conflict}`, { code: "ERR_SLUICE_UNSUPPORTED" });
  return request;
}

/** Where a mapping lies in a file: the kernel's starts on a page, the view `lead` bytes later. */
export interface Placement {
  readonly offset: number;
  readonly lead: number;
  /** Bytes of the view. */
  readonly length: number;
}

/**
 * Places a mapping in a file of `size` bytes.
 *
 * @throws RangeError for a range that the file doesn't have
 */
export function placeMapping({ offset, length }: MapRequest, size: number): Placement {
  if (offset > size)
    throw argumentError("ERR_OUT_OF_RANGE", `offset ${offset} is past the end of the file, which has ${size} bytes`);
  if (length !== undefined && length > size - offset)
    throw argumentError(
      "ERR_OUT_OF_RANGE",
      `${length} bytes at offset ${offset} go past the end of the file, which has ${size} bytes`,
    );
  const lead = offset % limits.map_alignment;
  return { offset: offset - lead, lead, length: length ?? size - offset };
}

/** Most bytes of one ArrayBuffer that every runtime has: 4 GiB. Node 20 ends the process for more. */
export const windowLimit = 2 ** 32;

/** Checks that one ArrayBuffer can show so much. */
export function checkWindow(length: number): void {
  if (length > windowLimit)
    throw argumentError(
      "ERR_OUT_OF_RANGE",
      `${length} bytes are more than one view can show (${windowLimit}): use window(offset, length)`,
    );
}

/** A range of a mapping, in bytes from its start. */
export interface MapRange {
  readonly start: number;
  readonly end: number;
}

/**
 * A range inside a mapping of `total` bytes; without a length, to its end.
 *
 * @throws TypeError, RangeError for a range that goes beyond it
 */
export function rangeOf(offset: ByteCount | undefined, length: ByteCount | undefined, total: number): MapRange {
  const start = optionalCount("offset", offset) ?? 0;
  const count = optionalCount("length", length) ?? Math.max(0, total - start);
  if (start > total || count > total - start)
    throw argumentError("ERR_OUT_OF_RANGE", `${count} bytes at offset ${start} go beyond a mapping of ${total} bytes`);
  return { start, end: start + count };
}

/** The first lost byte of a view, from the first lost offset of its file; undefined where all of the view is there. */
export function lostIn({ offset, lead, length }: Placement, lost: number | undefined): number | undefined {
  if (lost === undefined) return undefined;
  const at = Math.max(0, lost - offset - lead);
  return at < length ? at : undefined;
}

/** The error of a read that met lost bytes; `at` is relative to the view, which starts at `offset` of the file. */
export function truncatedError(name: string, at: number, offset: number): TransferError {
  return new TransferError(`Cannot read ${name}: it was truncated, and nothing is left from offset ${offset + at} on`, {
    code: "ERR_SLUICE_TRUNCATED",
    sourceOffset: offset + at,
    failed: "source",
  });
}
