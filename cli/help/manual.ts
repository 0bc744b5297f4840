/** PURE: the manual page, in the macros of man(7). */
import type { CommandFacts, ProgramFacts } from "./tree.ts";

/** Text as roff takes it: a hyphen that can be copied, no line that is a request, and no character but ASCII. */
function roff(text: string): string {
  return text
    .replace(/\\/g, String.raw`\e`)
    .replace(/-/g, String.raw`\-`)
    .replace(/^(?=[.'])/gm, String.raw`\&`)
    .replace(/[^\0-\x7f]/gu, (character) => {
      const code = character.codePointAt(0) ?? 0;
      return String.raw`\[u` + code.toString(16).toUpperCase().padStart(4, "0") + "]";
    });
}

const bold = (text: string): string => String.raw`\fB` + roff(text) + String.raw`\fR`;

const entry = (term: string, text: string): string => `.TP\n${bold(term)}\n${roff(text)}`;

/** The first word is the program's name, and the others are in the order of --help. */
const synopsis = (usage: string): string => {
  const [name = "", ...rest] = usage.split(" ");
  return `${bold(name)} ${roff(rest.join(" "))}`;
};

const entries = ({ arguments: taken, options }: CommandFacts): string[] => [
  ...taken.map(({ term, description }) => entry(term, description)),
  ...options.map(({ term, description }) => entry(term, description)),
];

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

function commandSection(command: CommandFacts): string[] {
  return [
    `.SS ${roff(command.name)}`,
    synopsis(command.usage),
    ".PP",
    roff(sentence(command.description)),
    ...entries(command),
  ];
}

function environment({ commands }: ProgramFacts): string[] {
  return commands.flatMap(({ name, options }) =>
    options.flatMap(({ variable, long }) =>
      variable === undefined ? [] : [entry(variable, `What ${long} of ${name} is, where that is not given.`)],
    ),
  );
}

export function manualOf(program: ProgramFacts): string {
  const { name, version, usage, description, commands, exitCodes } = program;
  const lines = [
    `.TH ${name.toUpperCase()} 1 "" "${roff(`${name} ${version}`)}" "User Commands"`,
    ".SH NAME",
    roff(name) + String.raw` \- ` + roff(description.replace(/\.$/, "")),
    ".SH SYNOPSIS",
    synopsis(usage),
    ".SH OPTIONS",
    ...entries(program),
    ".SH COMMANDS",
    ...commands.flatMap(commandSection),
    ".SH EXIT STATUS",
    ...exitCodes.map(([code, meaning]) => entry(String(code), sentence(meaning))),
    ".SH ENVIRONMENT",
    ...environment(program),
    entry("NO_COLOR", "Switches colours off, which are for terminals alone."),
  ];
  return `${lines.join("\n")}\n`;
}
