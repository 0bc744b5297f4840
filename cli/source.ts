/** What is read in several goes. */
import { constants, fstatSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/** A source that stays open from piece to piece. */
export interface OpenSource {
  readonly end: number | FileHandle;
  /** Where a piece begins, before which so much was moved: pipes, sockets and character devices go on by themselves. */
  offset(moved: number): number;
}

/** Opens a path, or standard input for "-", once for all pieces. */
export async function withSource<T>(path: string, work: (source: OpenSource) => Promise<T>): Promise<T> {
  if (path === "-") return work(openSource(0, 0));
  const file = await open(path, constants.O_RDONLY);
  try {
    return await work(openSource(file, file.fd));
  } finally {
    await file.close();
  }
}

function openSource(end: number | FileHandle, fd: number): OpenSource {
  const facts = fstatSync(fd);
  const hasPositions = facts.isFile() || facts.isBlockDevice();
  return { end, offset: (moved) => (hasPositions ? moved : 0) };
}
