/** Temporary folders, by the place in which they are wanted; all gone at the end, also after Ctrl-C. */
import { rmSync } from "node:fs";
import { mkdtemp, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Unavailable } from "./helpers.ts";
import { writePayload } from "./payload.ts";

const folders: string[] = [];
const payloads = new Map<number, Promise<string>>();

function removeAll(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

const signalNumbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
for (const [signal, number] of Object.entries(signalNumbers)) process.once(signal, () => process.exit(128 + number));
process.once("exit", removeAll);

/** @throws Unavailable when there is no such place */
export async function roomIn(parent: string): Promise<number> {
  const { bavail, bsize } = await statfs(parent).catch((cause: Error) => {
    throw new Unavailable(`no ${parent} here`, { cause });
  });
  return bavail * bsize;
}

/**
 * A new folder with room for `bytes`.
 *
 * @throws Unavailable when there is no such place or not enough room
 */
export async function scratchFolder(parent: string, bytes: number): Promise<string> {
  if ((await roomIn(parent)) < bytes) throw new Unavailable(`${parent} has no room for ${bytes} bytes`);
  const folder = await mkdtemp(join(parent, "sluice-bench-"));
  folders.push(folder);
  return folder;
}

/** A resident file of pseudo-random content in the temp folder, made once a run. */
export function scratchFile(bytes: number): Promise<string> {
  const made = payloads.get(bytes) ?? makeFile(bytes);
  payloads.set(bytes, made);
  return made;
}

async function makeFile(bytes: number): Promise<string> {
  const path = join(await scratchFolder(tmpdir(), bytes), "payload");
  await writePayload(path, bytes);
  return path;
}
