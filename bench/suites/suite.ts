/** What a suite is given and gives. */
import type { Section } from "../support/rows.ts";

export interface Setting {
  /** How often each contender runs. */
  readonly rounds: number;
  /** Whether there is time for all sizes and contenders; otherwise for those that show the most. */
  readonly full?: boolean;
  /** Says what is under way. */
  readonly progress: (text: string) => void;
}

export type Suite = (setting: Setting) => Promise<Section[]>;
