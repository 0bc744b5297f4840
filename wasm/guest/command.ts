/** The world `command`: `copy`, `explain` and `doctor` where there is a runtime of components and nothing else. */
import { getArguments } from "wasi:cli/environment@0.2.12";
import type * as Run from "wasi:cli/run@0.2.12";
import { getStderr } from "wasi:cli/stderr@0.2.12";
import { getStdout } from "wasi:cli/stdout@0.2.12";
import type { OutputStream } from "wasi:io/streams@0.2.12";
import { copyFile } from "./copy.ts";
import { lentFolders } from "./places.ts";
import { engine, explain, strategiesHere } from "./transfers.ts";
import { utf8 } from "./utf8.ts";

/** Most bytes that `blocking-write-and-flush` takes. */
const mostBytes = 4096;

function print(stream: OutputStream, text: string): void {
  const bytes = utf8(`${text}\n`);
  for (let at = 0; at < bytes.length; at += mostBytes) stream.blockingWriteAndFlush(bytes.subarray(at, at + mostBytes));
}

type Command = (args: readonly string[]) => string;

const usage = `Usage: copy SOURCE TARGET | explain SOURCE TARGET | doctor
Paths lie in the folders that the host has lent.`;

class UsageError extends Error {}

function two(args: readonly string[]): readonly [string, string] {
  const [source, target] = args;
  if (source === undefined || target === undefined || args.length !== 2) throw new UsageError(usage);
  return [source, target];
}

const commands: Readonly<Record<string, Command>> = {
  copy: (args) => {
    const [source, target] = two(args);
    const { bytes, strategy, copied, durationNs } = copyFile(source, target, { overwrite: true, durable: false });
    const rate = durationNs > 0 ? `, ${((bytes / durationNs) * 1000).toFixed(0)} MB/s` : "";
    return `${bytes} bytes by ${strategy ?? "nothing"} (copied: ${copied})${rate}`;
  },
  explain: (args) => {
    const { candidates, rejected, drawing } = explain(...two(args), {});
    const lines = [...candidates, ...rejected.map(({ strategy, reason }) => ({ strategy: `not ${strategy}`, reason }))];
    return [drawing(), ...lines.map(({ strategy, reason }) => `${strategy}: ${reason}`)].join("\n");
  },
  doctor: () => {
    const strategies = Object.entries(strategiesHere()).map(
      ([name, { ability, reason }]) => `${name}: ${ability} (${reason})`,
    );
    const folders = lentFolders().map(([, name]) => name);
    return [`engine: ${engine.reason}`, `folders: ${folders.join(", ") || "none"}`, ...strategies].join("\n");
  },
};

/** The command's name, and what comes after it; a runtime may put the component's own name first. */
function chosen(args: readonly string[]): readonly [Command, readonly string[]] {
  for (const at of [0, 1]) {
    const name = args[at];
    const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command !== undefined) return [command, args.slice(at + 1)];
  }
  throw new UsageError(usage);
}

export const run: typeof Run = {
  run() {
    try {
      const [command, args] = chosen(getArguments());
      print(getStdout(), command(args));
    } catch (error) {
      print(getStderr(), error instanceof Error ? error.message : String(error));
      // The result that this function has in WIT carries nothing.
      throw undefined;
    }
  },
};
