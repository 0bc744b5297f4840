/** Whose word is taken for where a connection comes from (`--accept-proxy`). */
import type { Socket } from "node:net";
import { isWithin, parseIp, parsePrefix, type Prefix, unmapped } from "./ip.ts";

/** Whoever may open the socket in the filesystem. */
const unix = "unix";

export type Trust = readonly (Prefix | typeof unix)[];

/** Addresses, prefixes, or "unix"; undefined where one of them is none of these. */
export function parseTrust(words: readonly string[]): Trust | undefined {
  const trust = words.map((word) => (word === unix ? unix : parsePrefix(word)));
  return trust.every((each) => each !== undefined) ? trust : undefined;
}

export function isTrusted(trust: Trust, { remoteAddress }: Socket): boolean {
  if (remoteAddress === undefined) return trust.includes(unix);
  const address = parseIp(remoteAddress);
  if (address === undefined) return false;
  const plain = unmapped(address);
  return trust.some((each) => each !== unix && (isWithin(each, plain) || isWithin(each, address)));
}
