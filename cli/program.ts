/** The commands and options: what is parsed, --help, the completions and the manual page are all made from it. */
import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import { benchCommand, isBenchBuilt } from "./commands/bench.ts";
import { copyCommand } from "./commands/copy.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { explainCommand } from "./commands/explain.ts";
import { ipcCommand } from "./commands/ipc.ts";
import { proxyCommand } from "./commands/proxy.ts";
import { receiveCommand } from "./commands/receive.ts";
import { sendCommand } from "./commands/send.ts";
import { serveCommand } from "./commands/serve.ts";
import { completionOf, type Shell, shells } from "./help/completion.ts";
import { describeProgram } from "./help/tree.ts";
import { exitCodesHelp } from "./exit.ts";
import { print } from "./screen.ts";

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

/** @param installed without what a clone has alone */
export function buildProgram({ installed = !isBenchBuilt(packageFolder) } = {}): Command {
  const program = new Command("sluice")
    .description("Moves bytes between files, sockets and pipes without carrying them through JavaScript.")
    .version(packageVersion(), "-V, --version")
    .addOption(
      new Option("--completion <shell>", "print what completes its commands and options in a shell").choices(shells),
    )
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
  ];
  for (const command of commands) program.addCommand(command);
  // An installed package has none of its contenders: --help of a clone alone shows it.
  const bench = benchCommand(packageVersion(), packageFolder);
  program.addCommand(bench, { hidden: installed });
  for (const command of [program, bench, ...commands])
    command.exitOverride().configureOutput({ outputError: writeUsageError });
  // Like --version, it is all that is wanted.
  program.on("option:completion", (shell: Shell) => {
    print(completionOf(shell, describeProgram(program)));
    throw new CommanderError(0, "sluice.completion", "");
  });
  return program;
}
