/** A guest that joins files without seeing a byte of them: the host's engine moves them, from file to file. */
import { open } from "sluice:transfer/native@0.1.0";

export function join(parts: readonly string[], target: string): number {
  const into = open(target, "write");
  try {
    into.setSize(0);
    let bytes = 0;
    for (const part of parts) {
      const from = open(part, "read");
      try {
        bytes += from.transferTo(into, { offset: 0, length: null, targetOffset: bytes, strategies: [] }).bytes;
      } finally {
        from[Symbol.dispose]();
      }
    }
    return bytes;
  } catch (thrown) {
    // What the host answers is the payload of what is thrown; the variant itself is what leaves a guest.
    throw (thrown as { readonly payload?: unknown }).payload ?? thrown;
  } finally {
    into[Symbol.dispose]();
  }
}
