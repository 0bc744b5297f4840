/** What this process may do beyond what its user may. */
import { readFile } from "node:fs/promises";

/** Bits of capabilities(7). */
const bits = { FOWNER: 3n, FSETID: 4n } as const;

/** Whether it has a capability; undefined where that can't be told. */
export async function hasCapability(name: keyof typeof bits): Promise<boolean | undefined> {
  const status = await readFile("/proc/self/status", "utf8").catch(() => "");
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return effective === undefined ? undefined : ((BigInt(`0x${effective}`) >> bits[name]) & 1n) === 1n;
}
