/** `sluice/wasi` for Node.js: the components of the package, and what guests of one's own are lent. See docs/wasi.md. */
import { createWasi } from "../../lib/wasi/wasi.ts";
import type {
  Guest,
  GuestInstance,
  GuestTransfer,
  ImportOptions,
  PluginOptions,
  WasiImports,
  WasiOptions,
} from "../../lib/wasi/public.ts";
import { node } from "./ffi.ts";

export type * from "../../lib/wasi/public.ts";

const wasi = createWasi(node, (fd) => fd);

/**
 * Instantiates the component `fallback`: Sluice on nothing but WASI, with the folders that it is lent. Its bytes pass
 * through the sandbox, by positional reads and writes, and its reports say so.
 *
 * @throws the system's error for a folder that can't be opened, TypeError for options of a wrong type
 *
 * @example
 * ```ts
 * using sandbox = await instantiateFallback({ roots: { "/data": { path: "/srv/data", write: true } } });
 * const { bytes } = sandbox.copyFile("/data/a", "/data/b");
 * ```
 */
export function instantiateFallback(options: WasiOptions): Promise<GuestTransfer> {
  return wasi.instantiateFallback(options);
}

/**
 * Instantiates a guest that is lent the native engine, by `sluice:transfer/native`: the component `plugin`, or one of
 * your own that jco has transpiled. It sees its roots and nothing else (openat2, RESOLVE_BENEATH); its files are closed
 * when it drops them, when the instance is closed, and when that is forgotten; what exceeds its limits is an error.
 *
 * @throws TransferError `ERR_SLUICE_UNSUPPORTED` without the engine; the system's error for a folder that can't be opened
 *
 * @example
 * ```ts
 * using plugin = await instantiatePlugin({
 *   roots: { "/data": { path: "/srv/data" }, "/out": { path: "/srv/out", write: true } },
 *   limits: { openHandles: 16, bytes: 2 ** 40 },
 * });
 * plugin.transfer("/data/log", "/out/log", { offset: 4096 });
 * ```
 */
export function instantiatePlugin(options: PluginOptions & { readonly guest?: undefined }): Promise<GuestTransfer>;
export function instantiatePlugin<Exports>(
  options: PluginOptions & { readonly guest: Guest },
): Promise<GuestInstance<Exports>>;
export function instantiatePlugin<Exports>(
  options: PluginOptions & { readonly guest?: Guest | undefined },
): Promise<GuestTransfer | GuestInstance<Exports>> {
  const { guest, ...rest } = options;
  return guest === undefined ? wasi.instantiatePlugin(rest) : wasi.instantiatePlugin<Exports>({ ...rest, guest });
}

/**
 * The interfaces of WASI 0.2 that guests on QuickJS import, for whoever instantiates a component by himself: files on this
 * thread, beneath the roots; clocks; a seed. With `lend: "engine"` `sluice:transfer/native` instead of the files.
 */
export function wasiImports(options: ImportOptions): WasiImports {
  return wasi.wasiImports(options);
}
