// Writes the manual page, from the commands and options as --help shows them: node cli/manual.mjs
import { mkdirSync, writeFileSync } from "node:fs";
import { manualOf } from "../dist/modules/cli/help/manual.js";
import { describeProgram } from "../dist/modules/cli/help/tree.js";
import { buildProgram } from "../dist/modules/cli/program.js";

const folder = new URL("../dist/man/", import.meta.url);
mkdirSync(folder, { recursive: true });
// The benchmark is of a clone alone, and PORT says nothing of this machine.
delete process.env.PORT;
writeFileSync(new URL("sluice.1", folder), manualOf(describeProgram(buildProgram({ installed: true }))));
