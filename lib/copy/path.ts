/** Paths as arguments. */
import { fileURLToPath } from "node:url";
import { argumentError } from "../../core/error.ts";

/** The path in an argument. @throws TypeError where it is none */
export function pathOf(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  if (value instanceof URL) return fileURLToPath(value);
  throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a path or file URL, got ${typeof value}`);
}
