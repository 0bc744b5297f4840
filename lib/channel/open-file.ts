/** Opens files as channels. */
import { constants, open } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { argumentError, shown, tellingPaths, TransferError } from "../../core/error.ts";
import { inspectFd } from "../ends/inspect-fd.ts";
import type { Machine } from "../engine/machine.ts";
import { closeFd } from "../ends/open-path.ts";
import { callFailed, fsCall } from "../support/system-error.ts";
import { FileChannel } from "./file-channel.ts";
import { PositionalFile } from "./positional-file.ts";

const openAsync = promisify(open);

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_EXCL, O_APPEND, O_NONBLOCK, O_NOCTTY } = constants;

/** What the words of node:fs stand for. */
const words: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  "r+": O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_TRUNC | O_EXCL,
  "w+": O_RDWR | O_CREAT | O_TRUNC,
  "wx+": O_RDWR | O_CREAT | O_TRUNC | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
  ax: O_WRONLY | O_CREAT | O_APPEND | O_EXCL,
  "a+": O_RDWR | O_CREAT | O_APPEND,
  "ax+": O_RDWR | O_CREAT | O_APPEND | O_EXCL,
};

function parseFlags(flags: unknown): number {
  const parsed = typeof flags === "string" && Object.hasOwn(words, flags) ? words[flags] : flags;
  if (typeof parsed === "number" && Number.isInteger(parsed) && parsed >= 0) return parsed;
  throw argumentError(
    "ERR_INVALID_ARG_VALUE",
    `flags must be one of ${Object.keys(words).join(", ")} or a number of fs.constants, got ${shown(flags)}`,
  );
}

/** See `openFile` in public/sluice.ts. */
export async function openFile(
  machine: Machine,
  path: string | URL,
  flags: string | number = "r",
  mode = 0o666,
): Promise<FileChannel> {
  const access = parseFlags(flags);
  const name = path instanceof URL ? fileURLToPath(path) : path;
  return tellingPaths({ path: name }, openChannel(machine, path, name, access, mode));
}

async function openChannel(
  machine: Machine,
  path: string | URL,
  name: string,
  access: number,
  mode: number,
): Promise<FileChannel> {
  // O_NONBLOCK: a FIFO is there at once, to be refused. Files don't mind.
  const fd = await fsCall(`open ${name}`, "open", openAsync(path, access | O_NONBLOCK | O_NOCTTY, mode));
  try {
    const { kind } = inspectFd(machine.native, fd, name);
    if (kind === "directory") throw callFailed(`open ${name}`, "open", "EISDIR");
    if (kind !== "file" && kind !== "blockDevice")
      throw new TransferError(`Cannot open ${name}: it has no positions; use transfer()`, {
        code: "ERR_SLUICE_UNSUPPORTED",
      });
    return new FileChannel(machine, new PositionalFile(fd, name, access));
  } catch (error) {
    await closeFd(fd);
    throw error;
  }
}
