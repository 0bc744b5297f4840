/** The same contest on a disk and in memory, and what follows from both of them. */
import { tmpdir } from "node:os";
import type { Contest } from "./contest.ts";
import { Unavailable } from "./helpers.ts";
import { contestSection, type Row, type Section } from "./rows.ts";

export interface Found {
  readonly contests: readonly Section[];
  readonly rows: readonly Row[];
}

const folders: readonly string[] = [tmpdir(), "/dev/shm"];

/** @param what is asked, for the row that says what a place lacks */
export async function onEachFilesystem(
  what: string,
  measure: (folder: string) => Promise<{ readonly contest: Contest; readonly rows: readonly Row[] }>,
): Promise<Found> {
  const contests: Section[] = [];
  const rows: Row[] = [];
  for (const folder of folders)
    await measure(folder).then(
      (found) => {
        contests.push(contestSection(found.contest));
        rows.push(...found.rows);
      },
      (error: unknown) => {
        if (!(error instanceof Unavailable)) throw error;
        rows.push({ question: `${what} in ${folder}`, unit: "×", skipped: error.message });
      },
    );
  return { contests, rows };
}
