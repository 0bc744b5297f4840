/** The commands and options as data, as --help shows them: what is hidden there is hidden everywhere. */
import type { Command, Help } from "commander";
import { exitCodeMeanings } from "../exit.ts";

export interface OptionFacts {
  /** "-r" */
  readonly short: string | undefined;
  /** "--recursive" */
  readonly long: string;
  /** The name of its value; undefined where it has none. */
  readonly value: string | undefined;
  readonly choices: readonly string[];
  /** The flags as --help shows them. */
  readonly term: string;
  /** With its default, its choices and its variable. */
  readonly description: string;
  /** Without them. */
  readonly about: string;
  /** The environment variable that says the same. */
  readonly variable: string | undefined;
}

export interface CommandFacts {
  readonly name: string;
  readonly usage: string;
  readonly description: string;
  readonly options: readonly OptionFacts[];
  readonly arguments: readonly { readonly term: string; readonly description: string }[];
}

export interface ProgramFacts extends CommandFacts {
  readonly version: string;
  readonly commands: readonly CommandFacts[];
  readonly exitCodes: readonly (readonly [code: number, meaning: string])[];
}

function describeCommand(command: Command, help: Help): CommandFacts {
  return {
    name: command.name(),
    usage: help.commandUsage(command),
    description: command.description(),
    options: help.visibleOptions(command).map((option) => ({
      short: option.short,
      long: option.long ?? "",
      value: /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1],
      choices: option.argChoices ?? [],
      term: help.optionTerm(option),
      description: help.optionDescription(option),
      about: option.description,
      variable: option.envVar,
    })),
    arguments: command.registeredArguments.map((argument) => ({
      term: help.argumentTerm(argument),
      description: help.argumentDescription(argument),
    })),
  };
}

export function describeProgram(program: Command): ProgramFacts {
  const help = program.createHelp();
  return {
    ...describeCommand(program, help),
    version: program.version() ?? "",
    // The command "help" says what --help says.
    commands: help
      .visibleCommands(program)
      .filter((command) => command.name() !== "help")
      .map((command) => describeCommand(command, help)),
    exitCodes: exitCodeMeanings,
  };
}
