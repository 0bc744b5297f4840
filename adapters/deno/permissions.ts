/** What Deno was started with, and what that leaves of descriptors that it has not opened itself. */
import { existsSync, openSync } from "node:fs";
import type { Adopt } from "../../lib/runtime.ts";

/** Whether a permission has been granted already. Asking for it would prompt. */
export function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/** Deno says that reading /proc is granted, and then asks for all permissions (NotCapable). */
export function seesOwnDescriptors(): boolean {
  try {
    return isGranted({ name: "read", path: "/proc/self/fd" }) && existsSync("/proc/self/fd");
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}

/** Deno's node:fs knows only what it has opened itself. It asks for all permissions before it does so by /proc. */
export const adopt: Adopt = (fd, native, flags) => {
  try {
    return openSync(`/proc/self/fd/${fd}`, flags);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  } finally {
    native.sluice_close(fd);
  }
};
