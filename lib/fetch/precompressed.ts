/** Files that stand beside another one as its compressed form. */
// @ts-types="@types/negotiator"
import Negotiator from "negotiator";
import type { Found, OpenFile } from "./open-file.ts";

/** By content coding, the best first. */
const endings: ReadonlyMap<string, string> = new Map([
  ["br", ".br"],
  ["zstd", ".zst"],
  ["gzip", ".gz"],
]);
const codings = [...endings.keys()];
const isCompressed = /\.(?:br|zst|gz)$/;

/** The second argument is newer than the types of the package. */
interface PreferringNegotiator {
  encodings(available: readonly string[], options: { readonly preferred: readonly string[] }): string[];
}

/** The codings that a client takes, those it likes most first, and of equal ones the best. */
function acceptable(acceptEncoding: string | null): string[] {
  if (acceptEncoding === null) return [];
  const negotiator = new Negotiator({ headers: { "accept-encoding": acceptEncoding } }) as PreferringNegotiator;
  const accepted = negotiator.encodings([...codings, "identity"], { preferred: codings });
  const plain = accepted.indexOf("identity");
  // What is liked less than the plain file is not looked for.
  return plain < 0 ? accepted : accepted.slice(0, plain);
}

export interface Variant {
  readonly file: OpenFile;
  /** Undefined: the plain file. */
  readonly coding: string | undefined;
  /** Whether another Accept-Encoding could have a better answer. */
  readonly varies: boolean;
}

/**
 * Chooses between a file and its compressed siblings, and closes what is not chosen.
 *
 * @param isText whether to look for siblings on behalf of clients that take none of them, and of the caches between.
 * For others it isn't worth the time: a cache that keeps the plain file gives no client what it can't read.
 * @param find looks up a path in the same root
 */
export async function chooseVariant(
  plain: OpenFile,
  path: string,
  acceptEncoding: string | null,
  isText: boolean,
  find: (path: string) => Promise<Found>,
): Promise<Variant> {
  const wanted = acceptable(acceptEncoding);
  if (isCompressed.test(path) || (wanted.length === 0 && !isText))
    return { file: plain, coding: undefined, varies: false };
  try {
    let varies = false;
    for (const coding of [...wanted, ...codings.filter((name) => !wanted.includes(name))]) {
      const found = await find(path + (endings.get(coding) ?? ""));
      if (found.kind !== "file") continue;
      if (wanted.includes(coding)) {
        plain.close();
        return { file: found.file, coding, varies: true };
      }
      found.file.close();
      varies = true;
      break;
    }
    return { file: plain, coding: undefined, varies };
  } catch (error) {
    plain.close();
    throw error;
  }
}
