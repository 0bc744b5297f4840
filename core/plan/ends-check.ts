/** PURE: what rules an end out, whatever the mechanism, in the words of an error. */
import { errnoNumber } from "../abi/errno.ts";
import { TransferError } from "../error.ts";
import type { TransferRequest } from "../transfer/request.ts";
import { type Endpoint, hasPositions, isSameFile } from "./endpoint.ts";

interface Refusal {
  readonly code: string;
  readonly detail: string;
}

/** Why no bytes can go into an end or come out of it, or undefined. */
function unusable(end: Endpoint): Refusal | undefined {
  const { kind, name } = end;
  if (kind === "directory") return { code: "EISDIR", detail: `${name} is a directory` };
  if (kind === "other")
    return { code: "ERR_SLUICE_UNSUPPORTED", detail: `${name} is not a file, socket, pipe or device` };
  if (kind === "socket" && end.fd && !end.byteStream)
    return {
      code: "ERR_SLUICE_UNSUPPORTED",
      detail: `${name} is a socket of datagrams or packets, not a byte stream`,
    };
  return end.listening ? { code: "ENOTCONN", detail: `${name} is listening, not connected` } : undefined;
}

function unreadable({ readable, name }: Endpoint): Refusal | undefined {
  return readable ? undefined : { code: "EBADF", detail: `${name} is not open for reading` };
}

function unwritable({ writable, name }: Endpoint): Refusal | undefined {
  return writable ? undefined : { code: "EBADF", detail: `${name} is not open for writing` };
}

function withoutOffset(source: Endpoint, offset: number): Refusal | undefined {
  if (hasPositions(source) || offset === 0) return undefined;
  return { code: "ESPIPE", detail: `${source.name} has no positions, so offset must be 0` };
}

function withoutTargetOffset(target: Endpoint, offset: number | undefined): Refusal | undefined {
  if (hasPositions(target) || offset === undefined) return undefined;
  return { code: "ESPIPE", detail: `${target.name} has no positions, so targetOffset can't be given` };
}

function inconsistent({ kind }: Endpoint, { consistency }: TransferRequest): Refusal | undefined {
  if (consistency === "live" || kind === "file") return undefined;
  return { code: "ERR_SLUICE_UNSUPPORTED", detail: `consistency "${consistency}" is for regular files alone` };
}

/** What rules a source out that several read. */
export function sourceRefusal(source: Endpoint, offset: number): Refusal | undefined {
  return unusable(source) ?? unreadable(source) ?? withoutOffset(source, offset);
}

export function refuse(source: Endpoint, target: Endpoint, { code, detail }: Refusal): never {
  const errno = errnoNumber(code);
  throw new TransferError(`Cannot send ${source.name} to ${target.name}: ${detail}`, {
    code,
    ...(errno > 0 && { errno }),
  });
}

/** @throws TransferError where one of the ends can't take part in any transfer */
export function checkEnds(source: Endpoint, target: Endpoint, request: TransferRequest): void {
  const refusal =
    unusable(source) ??
    unusable(target) ??
    inconsistent(source, request) ??
    unreadable(source) ??
    unwritable(target) ??
    withoutOffset(source, request.offset) ??
    withoutTargetOffset(target, request.targetOffset);
  if (refusal !== undefined) refuse(source, target, refusal);
}

/** What a transfer can't be between, by path or by range. */
export const sameFile = "source and target are the same file";

/**
 * Whether a target that is named as a whole, by its path, loses its content first: it starts at its beginning unless an
 * offset is given. Never the source itself.
 *
 * @throws TransferError `ERR_SLUICE_OVERLAP`
 */
export function isEmptied(source: Endpoint, target: Endpoint, { targetOffset }: TransferRequest): boolean {
  const emptied = targetOffset === undefined && target.kind === "file";
  if (emptied && isSameFile(source, target))
    throw new TransferError(`Cannot send ${source.name}: ${sameFile}`, { code: "ERR_SLUICE_OVERLAP" });
  return emptied;
}
