/** koffi, or why it can't be had. */
import { loadFailure, saysNoDescriptors, Unavailable } from "../../lib/engine/load-failure.ts";
import required from "./require.cjs";

type Koffi = ReturnType<typeof required.koffi>;

const platform = `${process.platform}-${process.arch}`;

/** By the code of what require() threw. */
const refusals: Readonly<Record<string, () => string>> = {
  MODULE_NOT_FOUND: () => "koffi is not installed (npm was told --omit=optional, or the like)",
  ERR_DLOPEN_DISABLED: () =>
    // The same code stands for both.
    process.permission === undefined
      ? "Node was started with --no-addons"
      : "Node's permission model forbids addons (--allow-addons)",
  ERR_ACCESS_DENIED: () => "Node's permission model forbids reading koffi (--allow-fs-read)",
};

function refusalOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (error instanceof Error && error.message.startsWith("Cannot find the native Koffi module"))
    return `koffi's native part for ${platform} is not installed (npm was told --omit=optional, or a bundle left it behind)`;
  return refusals[code]?.() ?? loadFailure(`koffi's native part for ${platform}`, error);
}

/** @throws Unavailable */
export function loadKoffi(): Koffi {
  try {
    return required.koffi();
  } catch (error) {
    if (saysNoDescriptors(error)) throw error;
    throw new Unavailable(refusalOf(error), { cause: error });
  }
}
