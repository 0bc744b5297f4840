/** Drives core's walk by way of /proc/self/fd: on this thread, or on those of the pool. */
import { close, closeSync, constants, fstat, fstatSync, open, openSync, readlink, readlinkSync } from "node:fs";
import { promisify } from "node:util";
import { openFlags } from "../../core/abi/numbers.ts";
import { type Answer, type Opened, type Step, walk } from "../../core/walk.ts";
import { errnoOf } from "./errno.ts";
import { nodeFlags, pathOfFd } from "./held.ts";

const openAsync = promisify(open);
const readLinkAsync = promisify(readlink);
const statusAsync = promisify(fstat);
const closeAsync = promisify(close);

/** Of files that are made, less the umask. */
const mode = 0o666;

type OpenStep = Extract<Step, { readonly call: "open" }>;

/** A descriptor's own entry in /proc is a link, which leads to what is open. */
const openArguments = ({ folder, name, flags }: OpenStep): readonly [path: string, flags: number, mode: number] =>
  name === ""
    ? [pathOfFd(folder), nodeFlags(flags & ~openFlags.noFollow), mode]
    : [pathOfFd(folder, name), nodeFlags(flags) | constants.O_NOFOLLOW, mode];

function doNow(step: Step): Answer {
  try {
    if (step.call === "open") return { fd: openSync(...openArguments(step)) };
    if (step.call === "readLink") return { text: readlinkSync(pathOfFd(step.folder, step.name)) };
    if (step.call === "isLink") return { isLink: fstatSync(step.fd).isSymbolicLink() };
    closeSync(step.fd);
    return {};
  } catch (error) {
    return { errno: errnoOf(error) };
  }
}

async function doAside(step: Step): Promise<Answer> {
  try {
    if (step.call === "open") return { fd: await openAsync(...openArguments(step)) };
    if (step.call === "readLink") return { text: await readLinkAsync(pathOfFd(step.folder, step.name)) };
    if (step.call === "isLink") return { isLink: (await statusAsync(step.fd)).isSymbolicLink() };
    await closeAsync(step.fd);
    return {};
  } catch (error) {
    return { errno: errnoOf(error) };
  }
}

/** Opens a path beneath an open folder, by bits of `openFlags`, on this thread. */
export function walkNow(folder: number, path: string, flags: number): Opened {
  const steps = walk(folder, path, flags);
  let step = steps.next();
  while (step.done !== true) {
    try {
      step = steps.next(doNow(step.value));
    } catch (error) {
      // Not the walk's own: it closes what it holds.
      step = steps.throw(error);
    }
  }
  return step.value;
}

/** The same, while this thread does other things. */
export async function walkAside(folder: number, path: string, flags: number): Promise<Opened> {
  const steps = walk(folder, path, flags);
  let step = steps.next();
  while (step.done !== true) {
    try {
      step = steps.next(await doAside(step.value));
    } catch (error) {
      step = steps.throw(error);
    }
  }
  return step.value;
}
