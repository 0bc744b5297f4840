/** Tells from an argument what kind of end it is. */
import { Socket } from "node:net";
import { Readable, Writable } from "node:stream";
import { argumentError, shown } from "../../core/error.ts";
import type { AbortSignalLike } from "../../core/options.ts";
import type { HasFd, Source, Target } from "../api.ts";
import type { Runtime } from "../runtime.ts";
import { FdSource, FdTarget } from "./fd-ends.ts";
import { SharedRing } from "../ring/shared-ring.ts";
import { isIncoming, MessageSource } from "./message-source.ts";
import { isMessage, MessageTarget } from "./message-target.ts";
import { MemorySource } from "./memory-source.ts";
import { RingSource, RingTarget } from "./ring-ends.ts";
import { SocketSource, SocketTarget } from "./socket-ends.ts";
import type { SourceEnd } from "./source.ts";
import { StreamSource, StreamTarget } from "./stream-ends.ts";
import type { TargetEnd } from "./target.ts";
import { webSource } from "./web-source.ts";

export function isHasFd(value: unknown): value is HasFd {
  return typeof value === "object" && value !== null && "fd" in value && typeof value.fd === "number";
}

/** What a caller may have meant by nothing. */
const hint = (value: unknown): string =>
  value === null ? "; the body of a Request that has none is null: `request.body ?? new Uint8Array()`" : "";

/**
 * Recognises a source.
 *
 * @throws TypeError for anything that is none
 */
export function sourceOf(value: Source, runtime: Runtime): SourceEnd {
  if (typeof value === "string" || typeof value === "number") return new FdSource(checkFd(value));
  if (value instanceof URL) return new FdSource(value);
  if (value instanceof Uint8Array) return new MemorySource(value, runtime);
  if (value instanceof Socket) return new SocketSource(value, runtime);
  if (value instanceof SharedRing) return new RingSource(value);
  const own = typeof value === "object" && value !== null ? runtime.source?.(value) : undefined;
  if (own !== undefined) return own;
  if (value instanceof Readable) return isIncoming(value) ? new MessageSource(value, runtime) : new StreamSource(value);
  if (value instanceof ReadableStream) return webSource(value, (message) => sourceOf(message, runtime));
  if (isHasFd(value)) return new FdSource(checkFd(value.fd));
  throw argumentError(
    "ERR_INVALID_ARG_TYPE",
    `source must be a path, URL, file descriptor, FileHandle, socket, Readable, ReadableStream, SharedRing or Uint8Array, got ${shown(value)}${hint(value)}`,
  );
}

/** Refuses numbers that can't be descriptors; paths pass. */
export function checkFd<T extends string | number>(value: T): T {
  if (typeof value === "number" && (!Number.isInteger(value) || value < -1 || value > 0x7fffffff))
    throw argumentError("ERR_OUT_OF_RANGE", `file descriptor must be a whole number of at least 0, got ${value}`);
  return value;
}

/** A Writable, or something that has its methods. */
function isWritable(value: object): value is Writable {
  const methods: Partial<Record<string, unknown>> = value as Record<string, unknown>;
  return ["write", "on", "once", "off"].every((name) => typeof methods[name] === "function");
}

/**
 * Recognises a target.
 *
 * @throws TypeError for anything that is none
 */
export function targetOf(value: Target, runtime: Runtime, signal: AbortSignalLike | undefined): TargetEnd {
  if (typeof value === "string" || typeof value === "number") return new FdTarget(checkFd(value), signal);
  if (value instanceof URL) return new FdTarget(value, signal);
  if (value instanceof Socket) return new SocketTarget(value, runtime);
  if (value instanceof SharedRing) return new RingTarget(value);
  const own = typeof value === "object" && value !== null ? runtime.target?.(value) : undefined;
  if (own !== undefined) return own;
  if (typeof value === "object" && value !== null) {
    if (isHasFd(value) && !(value instanceof Writable)) return new FdTarget(checkFd(value.fd), signal);
    if (isMessage(value)) return new MessageTarget(value, runtime);
    if (isWritable(value)) return new StreamTarget(value);
  }
  throw argumentError(
    "ERR_INVALID_ARG_TYPE",
    `target must be a path, URL, file descriptor, FileHandle, socket, SharedRing or Writable, got ${shown(value)}`,
  );
}
