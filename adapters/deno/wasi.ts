/** `sluice/wasi` for Deno. The same functions and contract as on Node: see ../node/wasi.ts. */
import { openSync } from "node:fs";
import { openFlags } from "../../core/abi/abi.ts";
import type { AdoptOpen } from "../../lib/wasi/open-at.ts";
import { nodeFlags } from "../../lib/wasi/walk.ts";
import { createWasi } from "../../lib/wasi/wasi.ts";
import { deno } from "./ffi.ts";

export type * from "../../lib/wasi/public.ts";

/** What has been done when the file was opened the first time. */
const once = openFlags.create | openFlags.exclusive | openFlags.truncate | openFlags.noFollow;

/** Deno's node:fs knows only what it has opened itself. It asks for all permissions before it does so by /proc. */
const adopt: AdoptOpen = (fd, native, flags) => {
  try {
    return openSync(`/proc/self/fd/${fd}`, nodeFlags(flags & ~once));
  } finally {
    native.sluice_close(fd);
  }
};

export const { instantiateFallback, instantiatePlugin, wasiImports } = createWasi(deno, adopt);
