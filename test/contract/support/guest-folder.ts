/** A folder as guests are lent it, used without a component around it. */
import { wasiImports } from "sluice/wasi";

/** As much as is used of `descriptor` of wasi:filesystem. */
export interface Descriptor extends Disposable {
  openAt(pathFlags: object, path: string, open: object, flags: object): Descriptor;
  getType(): string;
  read(length: bigint, offset: bigint): [Uint8Array, boolean];
}

/** A folder, as a guest is given it, and what closes it. */
export function lend(root: string): { readonly folder: Descriptor; close(): void } {
  const host = wasiImports({ roots: { "/": { path: root, write: true } } });
  const { getDirectories } = host.imports["wasi:filesystem/preopens"] as { getDirectories(): [[Descriptor, string]] };
  const [[folder]] = getDirectories();
  return { folder, close: () => host.close() };
}

export const textOf = (opened: Descriptor): string => Buffer.from(opened.read(100n, 0n)[0]).toString();

/** A code of WASI's, in the shape that jco takes it. */
export function codeOf(error: unknown): string {
  const { payload } = error as { readonly payload?: unknown };
  if (typeof payload === "string") return payload;
  throw error;
}
