/** Every way of answering with a file that node:http itself offers, and whether the preload is to take it over. */
import type { Route } from "./route.ts";
import { held } from "./routes-held.ts";
import { options } from "./routes-options.ts";
import { certain, corked, parts } from "./routes-parts.ts";
import { refused } from "./routes-refused.ts";
import { statuses } from "./routes-statuses.ts";
import { whole } from "./routes-whole.ts";

export const families = { whole, options, statuses, refused, parts, corked };

export const routes: Readonly<Record<string, Route>> = {
  ...whole,
  ...options,
  ...statuses,
  ...refused,
  ...held,
  ...parts,
  ...corked,
  ...certain,
};
