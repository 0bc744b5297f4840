/**
 * The native library as JavaScript calls it: the table of its functions, and the type of what is bound to it.
 *
 * This folder is the one description of the library. The three FFI bindings are made from it, and so is
 * `native/include/sluice.h` (by `native/header.mjs`, at every build). Nothing about the ABI is written anywhere else;
 * `abiFingerprint` is compared at load, so a library of another layout is never called.
 *
 * Only 32-bit numbers and buffers cross the boundary: every runtime passes those without making
 * a BigInt. Byte counts travel as 64-bit fields of records.
 */
import type { AbiType } from "./functions/define.ts";
import { descriptorFunctions } from "./functions/descriptors.ts";
import { jobFunctions } from "./functions/jobs.ts";
import { leaseAndMapFunctions } from "./functions/leases-and-maps.ts";
import { machineFunctions } from "./functions/machine.ts";
import { pairFunctions } from "./functions/pairs.ts";
import { ringFunctions } from "./functions/rings.ts";

/** Every function returns an `i32`: zero or a positive answer, or a negative errno. */
export const symbols = {
  ...machineFunctions,
  ...jobFunctions,
  ...pairFunctions,
  ...descriptorFunctions,
  ...leaseAndMapFunctions,
  ...ringFunctions,
} as const;

type AbiArgument<T extends AbiType> = T extends "buffer" ? Uint8Array : number;
type AbiArguments<T extends readonly AbiType[]> = { -readonly [K in keyof T]: AbiArgument<T[K]> };

/** The bound library: what each adapter's `bind()` returns. */
export type Native = {
  readonly [K in keyof typeof symbols]: (...args: AbiArguments<(typeof symbols)[K]["args"]>) => number;
};

/** Makes something of every symbol: what the three FFI bindings are made with. */
export function mapSymbols<T>(make: (args: readonly AbiType[], name: keyof Native) => T): Record<keyof Native, T> {
  const made: Partial<Record<keyof Native, T>> = {};
  for (const name of Object.keys(symbols) as (keyof Native)[]) made[name] = make(symbols[name].args, name);
  return made as Record<keyof Native, T>;
}
