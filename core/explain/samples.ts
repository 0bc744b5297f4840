/** Ends as they usually are, for explaining without real objects. */
import { endpoint, type Endpoint } from "../plan/endpoint.ts";

const encrypted = "the runtime encrypts its bytes, so they have no descriptor";

/** Sizes in bytes. */
const samples: Readonly<Record<string, Partial<Endpoint> & Pick<Endpoint, "kind">>> = {
  file: { kind: "file", size: 2 ** 30 },
  procfs: { kind: "file", writable: false },
  block: { kind: "blockDevice" },
  tcp: { kind: "socket" },
  unix: { kind: "socket" },
  tls: { kind: "stream", fd: false, withoutFd: encrypted },
  pipe: { kind: "pipe" },
  null: { kind: "charDevice" },
  zero: { kind: "charDevice" },
  stream: { kind: "stream", fd: false, withoutFd: "a stream of JavaScript has no descriptor" },
  ring: { kind: "ring" },
  memory: { kind: "memory", size: 2 ** 20, writable: false },
};

/** The words that {@link sampleEndpoint} knows. */
export const sampleWords: readonly string[] = Object.keys(samples);

/** An end of the named kind as it usually is; undefined for a word that it doesn't know. */
export function sampleEndpoint(word: string): Endpoint | undefined {
  const sample = Object.hasOwn(samples, word) ? samples[word] : undefined;
  return sample === undefined ? undefined : endpoint({ name: word, ...sample });
}
