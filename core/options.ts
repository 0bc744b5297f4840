/** Options by their names: one that nobody knows is refused, for it was meant to do something. */
import { argumentError, shown } from "./error.ts";

/** The names that `T` has, all of them. */
export type Names<T> = Readonly<Record<keyof T, true>>;

/** @throws TypeError for options that are no object */
export function checkObject(options: unknown): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw argumentError("ERR_INVALID_ARG_TYPE", `options must be an object, got ${shown(options)}`);
}

/**
 * Checks a bag of options against the names that there are.
 *
 * @throws TypeError for one that isn't among them, and for options that are no object
 */
export function checkKnown<T extends object>(options: T, names: Names<T>): void {
  checkObject(options);
  for (const name of Object.keys(options))
    if (!Object.hasOwn(names, name))
      throw argumentError(
        "ERR_INVALID_ARG_VALUE",
        `there is no option ${JSON.stringify(name)}; there are ${Object.keys(names).join(", ")}`,
      );
}

/** A number of bytes: a safe integer, or a bigint that is one. */
export type ByteCount = number | bigint;

function byteCount(name: string, value: unknown): number {
  if (typeof value !== "number" && typeof value !== "bigint")
    throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a number or bigint of bytes, got ${typeof value}`);
  const count = Number(value);
  if (!Number.isSafeInteger(count) || count < 0)
    throw argumentError("ERR_OUT_OF_RANGE", `${name} must be a whole number from 0 to 2^53 - 1, got ${shown(value)}`);
  return count;
}

/** An optional number of bytes. @throws TypeError, RangeError */
export function optionalCount(name: string, value: unknown): number | undefined {
  return value === undefined ? undefined : byteCount(name, value);
}

export function checkFlag(name: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean")
    throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a boolean, got ${typeof value}`);
  return value;
}

/** The part of the platform's AbortSignal that core knows of. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** @throws TypeError for what is no AbortSignal */
export function checkSignal(signal: unknown): void {
  if (signal === undefined) return;
  const methods = ["addEventListener", "removeEventListener"] as const;
  const isListenedTo = (value: object): boolean =>
    methods.every((name) => typeof (value as Partial<Record<string, unknown>>)[name] === "function");
  if (typeof signal !== "object" || signal === null || !("aborted" in signal && isListenedTo(signal)))
    throw argumentError("ERR_INVALID_ARG_TYPE", `signal must be an AbortSignal, got ${shown(signal)}`);
}
