/**
 * Truncates the files that it is told of, one a line, after a moment that is never the same. Says so when it has been told,
 * and again when it has done it.
 */
import { truncateSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  const [path = "", length = "", spins = ""] = line.split(" ");
  process.stdout.write("told\n");
  for (let i = Number(spins); i > 0; i--);
  truncateSync(path, Number(length));
  process.stdout.write("done\n");
}
