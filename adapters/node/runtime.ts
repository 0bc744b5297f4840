/** Node.js, as the library sees it. */
import { createRequire } from "node:module";
import type * as WorkerThreads from "node:worker_threads";
import type { Runtime } from "../../lib/runtime.ts";
import { bind, openWaker, view } from "./ffi.ts";
import { endedBy, socketFd, stopReading } from "./sockets.ts";

/** What is required when first needed. */
const require = createRequire(import.meta.url);

export const node: Runtime = {
  name: "node",
  unsupported: {},
  env: (name) => process.env[name],
  bind,
  view,
  openWaker,
  isWorker: () => !(require("node:worker_threads") as typeof WorkerThreads).isMainThread,
  socketFd,
  stopReading,
  endedBy,
};
