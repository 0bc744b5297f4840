/** What Deno was allowed to do when it was started. Nothing here asks for more. */
import { existsSync } from "node:fs";

/** Whether a permission has been granted already. Asking for it would prompt. */
export function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/** Deno says that reading /proc is granted, and then asks for all permissions (NotCapable). */
export function seesDescriptors(): boolean {
  try {
    return isGranted({ name: "read", path: "/proc/self/fd" }) && existsSync("/proc/self/fd");
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}
