/** Finds and loads the native library. */
import { fileURLToPath } from "node:url";
import { abiFingerprint } from "../../core/abi/fingerprint.ts";
import type { Native } from "../../core/abi/abi.ts";
import { builtLibrary } from "../built.ts";
import { switchedOff } from "../support/environment.ts";
import { callFailed } from "../support/system-error.ts";
import type { Runtime } from "../runtime.ts";
import { loadFailure, saysNoDescriptors, Unavailable } from "./load-failure.ts";

export type Loaded = { readonly native: Native; readonly path: string } | { readonly reason: string };

/** The path to load, or why there is none. */
function locate(runtime: Runtime): { readonly path: string } | { readonly reason: string } {
  const override = runtime.env("SLUICE_LIBRARY");
  if (override !== undefined && override !== "") return { path: override };
  const place = builtLibrary(`${process.platform}-${process.arch}`);
  return typeof place === "string" ? { reason: place } : { path: fileURLToPath(place) };
}

function load(runtime: Runtime, path: string): Loaded {
  try {
    const native = runtime.bind(path);
    const found = native.sluice_abi_fingerprint();
    const expected = abiFingerprint();
    if (found === expected) return { native, path };
    return { reason: `${path}: built for another version (ABI ${found}, expected ${expected})` };
  } catch (error) {
    if (saysNoDescriptors(error)) throw callFailed("load the engine", "open", "EMFILE", error);
    return { reason: error instanceof Unavailable ? error.message : loadFailure(path, error) };
  }
}

/** Loads the library: `SLUICE_LIBRARY` alone where it is set, else the one in the package. */
export function loadLibrary(runtime: Runtime): Loaded {
  const off = switchedOff(runtime);
  if (off !== undefined) return { reason: off };
  const found = locate(runtime);
  return "reason" in found ? found : load(runtime, found.path);
}
