/** Each claim of the articles that this project began with, beside what this kernel does. */
import { kernelClaims } from "../articles/kernel.ts";
import { methodFindings } from "../articles/methods.ts";
import { offloadClaims } from "../articles/offloads.ts";
import { processClaims } from "../articles/processes.ts";
import { truncationClaims } from "../articles/truncation.ts";
import { claimsSection } from "../support/rows.ts";
import type { Suite } from "./suite.ts";

export const articles: Suite = async (setting) => {
  const { sections, claims } = await methodFindings(setting);
  setting.progress("truncating files that are being sent");
  const truncated = await truncationClaims();
  const allowed = await kernelClaims();
  setting.progress("sending through devices with and without scatter/gather");
  const offloads = await offloadClaims();
  const between = await processClaims(setting);
  return [
    claimsSection("Ways of the bytes", claims),
    claimsSection("Scatter/gather", offloads),
    claimsSection("Files that are cut while they are sent", truncated),
    claimsSection("What the calls take and do", allowed),
    claimsSection("Between processes", between),
    ...sections,
  ];
};
