#!/usr/bin/env node
/** The command line: parses, runs one command, and ends with a documented exit code. */
import process from "node:process";
import { CommanderError } from "commander";
import { describeFailure, exitCodes } from "./exit.ts";
import { watchOutput } from "./output.ts";
import { buildProgram } from "./program.ts";
import { tell } from "./screen.ts";

watchOutput();
try {
  await buildProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  else {
    tell(`sluice: ${describeFailure("go on", error).message}`);
    process.exitCode = exitCodes.failed;
  }
}
