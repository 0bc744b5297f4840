/** How a function of the library is described. */

/** Types an argument or a result may have. A "buffer" is a typed array passed by address. */
export type AbiType = "i32" | "u32" | "buffer";

interface AbiFunction {
  readonly args: readonly AbiType[];
  readonly names: readonly string[];
  readonly doc: string;
}

export function define<const F extends AbiFunction>(fn: F): F {
  return fn;
}
