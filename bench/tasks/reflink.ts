/** Times reflinks on a filesystem image that is mounted in this process's own mount namespace alone. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { writePayload } from "../support/payload.ts";

const run = promisify(execFile);

export interface ReflinkInput {
  readonly image: string;
  readonly mountPoint: string;
  readonly sizes: readonly number[];
  readonly rounds: number;
}

/** Wall-clock nanoseconds of each round's copyFile({ reflink: "always" }), by size. The namespace takes the mount with it. */
export async function reflink({ image, mountPoint, sizes, rounds }: ReflinkInput): Promise<number[][]> {
  const { copyFile } = await import("sluice");
  await run("mount", ["-o", "loop", image, mountPoint]);
  for (const bytes of sizes) await writePayload(join(mountPoint, String(bytes)), bytes);
  await run("sync", ["--file-system", mountPoint]);
  const times = sizes.map((): number[] => []);
  // Round 0 loads the library and is not counted.
  for (let round = 0; round <= rounds; round++)
    for (const [index, bytes] of sizes.entries()) {
      const start = process.hrtime.bigint();
      await copyFile(join(mountPoint, String(bytes)), join(mountPoint, `${bytes}.copy`), { reflink: "always" });
      const timeNs = Number(process.hrtime.bigint() - start);
      if (round > 0) times[index]?.push(timeNs);
    }
  await run("umount", [mountPoint]);
  return times;
}
