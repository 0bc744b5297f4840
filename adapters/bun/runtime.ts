/** Bun, as the library sees it. */
import { isMainThread } from "node:worker_threads";
import type { Runtime } from "../../lib/runtime.ts";
import { bind, openWaker, view } from "./ffi.ts";
import { source, target } from "./objects.ts";
import { server } from "./server.ts";
import { socketFd, stopReading } from "./sockets.ts";
import { unsupported } from "./unsupported.ts";

export const bun: Runtime = {
  name: "bun",
  unsupported,
  readsAhead: true,
  fetchesCoded: true,
  env: (name) => process.env[name],
  bind,
  view,
  openWaker,
  isWorker: () => !isMainThread || "WorkerGlobalScope" in globalThis,
  socketFd,
  stopReading,
  source,
  target,
  server,
};
