/** The demo's own file: made once in the temp folder, kept there, made anew when it isn't what it was. */
import { constants } from "node:fs";
import { open, rename } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { payload, writePayload } from "../support/payload.ts";
import { scratchFolder } from "../support/scratch.ts";

/** Bytes compared at either end. */
const sampleBytes = 65_536;

/** Whether a file is this user's, has the size, and begins and ends as the payload does. */
async function isPayload(path: string, bytes: number): Promise<boolean> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ELOOP" || error.code === "EACCES") return undefined;
    throw error;
  });
  if (file === undefined) return false;
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size !== bytes || stat.uid !== userInfo().uid) return false;
    for (const offset of [0, bytes - sampleBytes]) {
      const { buffer } = await file.read(Buffer.alloc(sampleBytes), 0, sampleBytes, offset);
      if (!buffer.equals(payload(offset, sampleBytes))) return false;
    }
    return true;
  } finally {
    await file.close();
  }
}

/** Path of the file, of `bytes` bytes. Whoever stops it half-way leaves nothing behind. */
export async function demoFile(bytes: number): Promise<string> {
  const path = join(tmpdir(), `sluice-demo-${userInfo().uid}-${bytes}.bin`);
  if (await isPayload(path, bytes)) return path;
  const unfinished = join(await scratchFolder(tmpdir(), bytes), "payload");
  await writePayload(unfinished, bytes);
  await rename(unfinished, path);
  return path;
}
