/** PURE: scripts by which shells complete the command line. Paths are left to the shell. */
import type { CommandFacts, OptionFacts, ProgramFacts } from "./tree.ts";

export const shells = ["bash", "zsh", "fish"] as const;

export type Shell = (typeof shells)[number];

export const completionOf = (shell: Shell, program: ProgramFacts): string => writers[shell](program).trimEnd();

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

const flagsOf = ({ short, long }: OptionFacts): string[] => (short === undefined ? [long] : [short, long]);

const allFlags = ({ options }: CommandFacts): string => options.map(({ long }) => long).join(" ");

/** The words that may follow the option of a command. */
function bashChoices(command: string, options: readonly OptionFacts[]): string[] {
  return options
    .filter(({ choices }) => choices.length > 0)
    .map((option) => {
      const patterns = flagsOf(option).map((flag) => `"${command} ${flag}"`);
      return `    ${patterns.join(" | ")}) words=${quote(option.choices.join(" "))} ;;`;
    });
}

function writeBash(program: ProgramFacts): string {
  const { commands, options } = program;
  const names = commands.map(({ name }) => name).join(" ");
  return `# sluice in bash: source <(sluice --completion bash)
_sluice() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command=\${COMP_WORDS[1]} words=
  # --option=value is three words to readline.
  if [[ $word == "=" ]]; then
    word=
  elif [[ $before == "=" ]]; then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  if ((COMP_CWORD == 1)); then
    words=${quote(`${names} ${allFlags(program)}`)}
  else
    case "$command $before" in
${[...options.map(({ long }) => bashChoices(long, options)).flat(), ...commands.flatMap(({ name, options: own }) => bashChoices(name, own))].join("\n")}
    *)
      if [[ $word == -* ]]; then
        case $command in
${commands.map((command) => `        ${command.name}) words=${quote(allFlags(command))} ;;`).join("\n")}
        esac
      fi
      ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _sluice sluice
`;
}

/** What _arguments(1) takes for its own. */
const zshText = (text: string): string => text.replace(/[[\]:\\]/g, String.raw`\$&`);

function zshOption(option: OptionFacts): string {
  const { choices, value, about } = option;
  // With or without a sign before the value.
  const flags =
    value === undefined ? flagsOf(option) : flagsOf(option).map((flag) => (flag.startsWith("--") ? `${flag}=` : flag));
  const action = choices.length > 0 ? `(${choices.join(" ")})` : value === "file" || value === "dir" ? "_files" : " ";
  const rest = `[${zshText(about)}]${value === undefined ? "" : `:${zshText(value)}:${action}`}`;
  const names = flags.length === 1 ? "" : `${quote(`(${flagsOf(option).join(" ")})`)}{${flags.join(",")}}`;
  return names === "" ? quote(`${flags[0]}${rest}`) : `${names}${quote(rest)}`;
}

function writeZsh({ options, commands }: ProgramFacts): string {
  const arms = commands.map(
    (command) => `      ${command.name})
        _arguments ${[...command.options.map(zshOption), quote("*:file:_files")].join(" \\\n          ")}
        ;;`,
  );
  return `#compdef sluice
# sluice in zsh: source <(sluice --completion zsh), or this as a file _sluice in a folder of $fpath
_sluice() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands=(
${commands.map(({ name, description }) => `    ${quote(`${name}:${description}`)}`).join("\n")}
  )
  _arguments -C ${options.map(zshOption).join(" \\\n    ")} \\
    '1:command:->command' '*::argument:->argument'
  case $state in
  command) _describe command commands ;;
  argument)
    case $line[1] in
${arms.join("\n")}
    esac
    ;;
  esac
}
if [[ $funcstack[1] == _sluice ]]; then
  _sluice "$@"
else
  compdef _sluice sluice
fi
`;
}

function fishOption(condition: string, { short, long, value, choices, about }: OptionFacts): string {
  const parts = [
    `complete -c sluice -n ${quote(condition)}`,
    short && `-s ${short.slice(1)}`,
    `-l ${long.slice(2)}`,
    value !== undefined && (choices.length > 0 ? `-x -a ${fishQuote(choices.join(" "))}` : "-r"),
    `-d ${fishQuote(about)}`,
  ];
  return parts.filter(Boolean).join(" ");
}

const fishQuote = (text: string): string => `'${text.replace(/[\\']/g, String.raw`\$&`)}'`;

function writeFish({ options, commands }: ProgramFacts): string {
  const first = "__fish_use_subcommand";
  const lines = [
    "# sluice in fish: sluice --completion fish | source",
    ...options.map((option) => fishOption(first, option)),
    ...commands.flatMap(({ name, description, options: own }) => [
      `complete -c sluice -n ${first} -a ${name} -d ${fishQuote(description)}`,
      ...own.map((option) => fishOption(`__fish_seen_subcommand_from ${name}`, option)),
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

const writers: Readonly<Record<Shell, (program: ProgramFacts) => string>> = {
  bash: writeBash,
  zsh: writeZsh,
  fish: writeFish,
};
