/** What the filesystem under a path can do, tried on temporary files that are gone afterwards. */
import { constants, type PathLike } from "node:fs";
import { copyFile, mkdtemp, open, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import type { Capability } from "sluice";
import { codeOf, errnoText } from "sluice/internal";
import { listenForInterrupt } from "../interrupt.ts";

export interface FilesystemReport {
  readonly path: string;
  /** Where it is mounted and its type, from /proc/self/mountinfo; undefined where that can't be read. */
  readonly mount: string | undefined;
  readonly type: string | undefined;
  /** FICLONE between two files. */
  readonly reflink: Capability;
  /** open(2) with O_DIRECT. */
  readonly direct: Capability;
  /** open(2) with O_TMPFILE: files without a name. */
  readonly unnamed: Capability;
}

/** __O_TMPFILE of asm-generic/fcntl.h, the same on x86-64 and arm64; O_TMPFILE includes O_DIRECTORY. */
const temporaryFlag = 0o20000000 | constants.O_DIRECTORY;

/** Errnos by which a filesystem says that it lacks something; others are about this user or this moment. */
const lacking: ReadonlySet<string> = new Set([
  "EOPNOTSUPP",
  "ENOTSUP",
  "EINVAL",
  "ENOTTY",
  "ENOSYS",
  "EISDIR",
  "EXDEV",
]);

/** Looks at the filesystem under a path. Rejects where there is nothing at the path. */
export async function inspectFilesystem(path: string): Promise<FilesystemReport> {
  const facts = await stat(path);
  const folder = facts.isDirectory() ? path : dirname(path);
  return { path, ...(await findMount(await realpath(folder))), ...(await tryAbilities(folder)) };
}

type Abilities = Pick<FilesystemReport, "reflink" | "direct" | "unnamed">;

async function tryAbilities(folder: string): Promise<Abilities> {
  // A signal waits for the moment in which nothing would be left behind.
  const interruption = listenForInterrupt();
  const passOn = () => {
    interruption.stop();
    const name = interruption.received();
    if (name !== undefined) process.kill(process.pid, name);
  };
  let scratch: string;
  try {
    scratch = await mkdtemp(join(folder, ".sluice-doctor-"));
  } catch (error) {
    passOn();
    const unknown: Capability = { ability: "unknown", reason: `no temporary file can be made: ${systemCode(error)}` };
    return { reflink: unknown, direct: unknown, unnamed: unknown };
  }
  try {
    const file = join(scratch, "source");
    await writeFile(file, Buffer.alloc(8192, 1));
    const clone = () => copyFile(file, join(scratch, "target"), constants.COPYFILE_FICLONE_FORCE);
    return {
      reflink: await attempt("FICLONE shared the blocks of two files", clone),
      direct: await attempt("a file was opened with O_DIRECT", () => tryOpen(file, constants.O_DIRECT)),
      unnamed: await attempt("a file was made without a name", () =>
        tryOpen(scratch, temporaryFlag | constants.O_RDWR),
      ),
    };
  } finally {
    await rm(scratch, { recursive: true });
    passOn();
  }
}

async function tryOpen(path: PathLike, flags: number): Promise<void> {
  const file = await open(path, flags);
  await file.close();
}

async function attempt(success: string, action: () => Promise<void>): Promise<Capability> {
  try {
    await action();
    return { ability: "yes", reason: success };
  } catch (error) {
    const code = systemCode(error);
    return { ability: lacking.has(code) ? "no" : "unknown", reason: reasonFor(code) };
  }
}

function reasonFor(code: string): string {
  // libuv's name for EOPNOTSUPP.
  const name = code === "ENOTSUP" ? "EOPNOTSUPP" : code;
  return `the filesystem answered ${name}: ${errnoText(name)}`;
}

/** The system's code. An error without one is a fault of ours. */
function systemCode(error: unknown): string {
  const code = codeOf(error);
  if (code === undefined) throw error;
  return code;
}

/** The mount that a real path lies in: the one with the longest path, and of those the last, which covers the others. */
async function findMount(path: string): Promise<Pick<FilesystemReport, "mount" | "type">> {
  const best = { mount: undefined as string | undefined, type: undefined as string | undefined };
  for (const line of (await readMounts()).split("\n")) {
    // proc_pid_mountinfo(5): the fifth field is the mount point, the type follows a lone dash.
    const [before = "", after = ""] = line.split(" - ");
    const mount = before.split(" ")[4]?.replace(/\\([0-7]{3})/g, (_all, octal: string) => unescapeOctal(octal));
    if (mount === undefined || !contains(mount, path) || mount.length < (best.mount?.length ?? 0)) continue;
    best.mount = mount;
    best.type = after.split(" ")[0];
  }
  return best;
}

const unescapeOctal = (octal: string): string => String.fromCharCode(Number.parseInt(octal, 8));

const contains = (mount: string, path: string): boolean =>
  mount === "/" || path === mount || path.startsWith(`${mount}/`);

async function readMounts(): Promise<string> {
  try {
    return await readFile("/proc/self/mountinfo", "utf8");
  } catch (error) {
    // Not Linux, or /proc is not mounted: then the mount is not known.
    if (codeOf(error) === "ENOENT" || codeOf(error) === "EACCES") return "";
    throw error;
  }
}
