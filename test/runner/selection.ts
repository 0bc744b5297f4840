/** Which tests run where. */

/**
 * Folders of plain uvu files, and how long a file may do nothing (see patience.ts). Those that build and install have
 * long stretches without a word.
 */
export const plainFolders = {
  unit: 60_000,
  node: 60_000,
  cli: 60_000,
  http: 60_000,
  bench: 120_000,
  package: 120_000,
} as const;

/** The C tests, which compile first. Each of them has a limit of its own (native/test/patience.c). */
export const nativeLimitMs = 180_000;

/** Whether a name is in a table of names, or of what they begin with. */
const among = (beginnings: readonly string[]) => (name: string) => beginnings.some((each) => name.startsWith(each));

/**
 * Contract tests of what a runtime adds: its descriptors, sockets, Workers and memory. The others speak of core, the engine and
 * the kernel, which are the same everywhere: without `--all` or words one runtime runs those, so that `npm test` takes minutes.
 */
export const ofRuntimes = among([
  "contract/abort",
  "contract/descriptors",
  "contract/errnos",
  "contract/explain",
  "contract/fetch-http2",
  "contract/fetch-proxy",
  "contract/fetch-upload",
  "contract/fleet",
  "contract/map",
  "contract/messages",
  "contract/one-reader",
  "contract/proxy",
  "contract/ring",
  "contract/socket-sources",
  "contract/streams-to-socket",
  "contract/wasi",
  "contract/workers",
]);

/**
 * What leans on the inside of Node: streams, sockets and responses, whose order of calls may be another in every release.
 * These run on the newest one of each line.
 */
export const ofLines = among([
  "http/",
  "node/fetch-frameworks",
  "node/self-",
  "node/socket-",
  "node/stream",
  "contract/fetch-proxy",
  "contract/fetch-upload",
  "contract/fleet",
  "contract/messages",
  "contract/one-reader",
  "contract/proxy",
  "contract/self-",
  "contract/socket-",
  "contract/streams-",
  "contract/tee",
]);

/** Of those, what in `npm test -- --lines` runs on the newest line alone, besides the Node.js that runs the tests. */
export const ofNewest = among([
  "http/bodies-meddling",
  "http/bodies-memory",
  "http/bodies-packages",
  "http/bodies-timing",
  "http/bodies-uploads",
]);

/** They start every runtime by themselves: once is enough. */
export const ofAll = among(["http/runtimes"]);

/** Long, and about filesystems, a build of a minute or this very program: with `--all` or words. */
export const isLong = among([
  "contract/cache",
  "contract/copy-file-blocks",
  "contract/large-files",
  "package/next",
  "unit/runner",
]);
