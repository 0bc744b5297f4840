#!/usr/bin/env node
/** The command line: parses, runs one command, and ends with a documented exit code. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { Command, CommanderError } from "commander";
import { benchCommand } from "./commands/bench.ts";
import { copyCommand } from "./commands/copy.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { explainCommand } from "./commands/explain.ts";
import { ipcCommand } from "./commands/ipc.ts";
import { proxyCommand } from "./commands/proxy.ts";
import { receiveCommand } from "./commands/receive.ts";
import { sendCommand } from "./commands/send.ts";
import { serveCommand } from "./commands/serve.ts";
import { describeFailure, exitCodes, exitCodesHelp } from "./exit.ts";
import { watchOutput } from "./output.ts";
import { tell } from "./screen.ts";

/** From here and from the bundle, which lies as deep. */
const packageFolder = new URL("../../../", import.meta.url);

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("package.json", packageFolder), "utf8"));
  return String(Reflect.get(Object(manifest), "version"));
}

/** Commander writes its errors as "error: …", sometimes with a hint on a second line. */
function writeUsageError(text: string, write: (line: string) => void): void {
  write(
    `sluice: ${text
      .replace(/^error: /, "")
      .trim()
      .replace(/\s+/g, " ")}\n`,
  );
}

function buildProgram(): Command {
  const program = new Command("sluice")
    .description("Moves bytes between files, sockets and pipes without carrying them through JavaScript.")
    .version(packageVersion(), "-V, --version")
    .addHelpText("after", `\n${exitCodesHelp}`);
  const commands = [
    copyCommand(),
    sendCommand(),
    receiveCommand(),
    serveCommand(),
    proxyCommand(),
    ipcCommand(),
    explainCommand(),
    doctorCommand(),
    benchCommand(packageVersion(), packageFolder),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands])
    command.exitOverride().configureOutput({ outputError: writeUsageError });
  return program;
}

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
