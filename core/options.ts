/** Options: one with an unknown name is refused, for it was meant to do something; and the values that many of them have. */
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

/** One of a few words; by default the first. @throws TypeError */
export function oneOf<Word extends string>(name: string, words: readonly [Word, ...Word[]], value: unknown): Word {
  const found = value === undefined ? words[0] : words.find((word) => word === value);
  if (found !== undefined) return found;
  throw argumentError("ERR_INVALID_ARG_VALUE", `${name} must be one of ${words.join(", ")}, got ${shown(value)}`);
}

/** Most milliseconds of the platform's timers, and of the engine's 32 bits. */
export const mostMs = 0x7fffffff;

interface Bounds {
  readonly least: number;
  readonly most: number;
  /** Of what, for the message. */
  readonly unit?: string;
}

/** A whole number within bounds. @throws TypeError, RangeError */
export function wholeNumber(name: string, value: unknown, { least, most, unit }: Bounds): number {
  if (typeof value !== "number")
    throw argumentError(
      "ERR_INVALID_ARG_TYPE",
      `${name} must be a number${unit === undefined ? "" : ` of ${unit}`}, got ${typeof value}`,
    );
  if (!Number.isInteger(value) || value < least || value > most)
    throw argumentError("ERR_OUT_OF_RANGE", `${name} must be a whole number from ${least} to ${most}, got ${value}`);
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
