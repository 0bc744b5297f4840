/** What /proc/self/smaps says of a file's mappings. */
import { readFileSync } from "node:fs";

/** Bytes of memory of all mappings of a file: resident, and of that copied for this process alone. */
export interface MappingNumbers {
  readonly mappings: number;
  readonly Rss: number;
  readonly Anonymous: number;
}

const header = /^[0-9a-f]+-[0-9a-f]+ /;

export function numbersOf(path: string): MappingNumbers {
  const sums = { mappings: 0, Rss: 0, Anonymous: 0 };
  let ours = false;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    if (header.test(line)) {
      ours = line.endsWith(` ${path}`);
      if (ours) sums.mappings++;
    }
    const [, name, kibibytes] = /^(Rss|Anonymous): +(\d+) kB/.exec(line) ?? [];
    if (ours && (name === "Rss" || name === "Anonymous")) sums[name] += Number(kibibytes) * 1024;
  }
  return sums;
}
