/** Copies its sources over one target in turn until it is killed: `TARGET SOURCE...`. */
import process from "node:process";
import { copyFile } from "sluice";

const [target, ...sources] = process.argv.slice(2);
if (target === undefined || sources.length === 0) throw new Error("Usage: TARGET SOURCE...");
console.log("copying");
for (;;) for (const source of sources) await copyFile(source, target, { reflink: "never" });
