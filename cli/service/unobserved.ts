/** Servers of this process that are nobody's business: what is counted and logged leaves them out. */
import type { Server } from "node:http";

export const unobserved = new WeakSet<Server>();
