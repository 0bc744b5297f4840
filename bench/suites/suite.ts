/** What a suite is given and gives. */
import type { Section } from "../support/rows.ts";

export interface Setting {
  /** How often each contender runs. */
  readonly rounds: number;
  /** Says what is under way. */
  readonly progress: (text: string) => void;
}

export type Suite = (setting: Setting) => Promise<Section[]>;
