/** Whether two files have the same content. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { codeOf } from "sluice/internal";

const blockBytes = 1 << 20;

const isMissing = (error: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(codeOf(error) ?? "");

/** False where the second one isn't there, or is no regular file. Rejects where either can't be read, and when aborted. */
export async function haveSameContent(from: string, to: string, signal: AbortSignal): Promise<boolean> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK;
  const source = await open(from, flags);
  let target: FileHandle | undefined;
  try {
    target = await open(to, flags).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    return target !== undefined && (await compare(source, target, signal));
  } finally {
    await target?.close();
    await source.close();
  }
}

async function compare(source: FileHandle, target: FileHandle, signal: AbortSignal): Promise<boolean> {
  const [one, other] = [await source.stat(), await target.stat()];
  if (!one.isFile() || !other.isFile() || one.size !== other.size) return false;
  const blocks = [Buffer.allocUnsafe(blockBytes), Buffer.allocUnsafe(blockBytes)] as const;
  for (let position = 0; ;) {
    signal.throwIfAborted();
    const sizes = [await fill(source, blocks[0], position), await fill(target, blocks[1], position)] as const;
    const [size] = sizes;
    if (size !== sizes[1] || !blocks[0].subarray(0, size).equals(blocks[1].subarray(0, size))) return false;
    if (size < blockBytes) return true;
    position += size;
  }
}

/** A read may bring less than there is. */
async function fill(file: FileHandle, block: Buffer, position: number): Promise<number> {
  let filled = 0;
  while (filled < block.length) {
    const { bytesRead } = await file.read(block, filled, block.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
