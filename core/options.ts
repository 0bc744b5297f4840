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
