/** Copies files when it is told to, and answers how long that took: node copier.js WAY */
import { copyFile } from "node:fs/promises";
import process from "node:process";

export interface CopyOrder {
  readonly from: string;
  readonly to: string;
}

export type CopyOutcome = { readonly ns: number } | { readonly failure: string };

type Copy = (from: string, to: string) => Promise<unknown>;

/** Sluice is loaded only where it is used: the other is Node alone. */
const ways: Readonly<Record<string, () => Promise<Copy>>> = {
  "fs.copyFile": async () => copyFile,
  auto: async () => (await import("sluice")).copyFile,
  async "no-reflink"() {
    const sluice = await import("sluice");
    return (from, to) => sluice.copyFile(from, to, { reflink: "never" });
  },
};

const way = process.argv[2] ?? "";
const load = ways[way];
if (load === undefined) throw new Error(`There is no way ${way} to copy a file`);
const loading = load();

async function obey({ from, to }: CopyOrder): Promise<CopyOutcome> {
  try {
    const copy = await loading;
    const start = process.hrtime.bigint();
    await copy(from, to);
    return { ns: Number(process.hrtime.bigint() - start) };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

process.on("message", (order: CopyOrder | string) => {
  if (typeof order === "object") void obey(order).then((outcome) => process.send?.(outcome));
});
// After the listener: until there is one, Node keeps what comes.
await import("../support/probe.ts");
