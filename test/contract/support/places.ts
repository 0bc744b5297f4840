/** Folders on different filesystems. */
import { mountScratch } from "../../support/filesystem.ts";
import type { Need } from "../../support/needs.ts";
import { tempFolder } from "../../support/temp.ts";

export interface Place {
  readonly name: string;
  readonly needs: readonly Need[];
  folder(): string;
}

export const disk: Place = { name: "the temporary folder", needs: [], folder: () => tempFolder() };

export const places: readonly Place[] = [
  disk,
  { name: "tmpfs", needs: ["tmpfs"], folder: () => tempFolder("/dev/shm") },
  { name: "btrfs", needs: ["btrfs"], folder: () => mountScratch("btrfs") },
  { name: "xfs", needs: ["xfs"], folder: () => mountScratch("xfs") },
];
