/** Deno, as the library sees it. */
import { openSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import type { Runtime } from "../../lib/runtime.ts";
import { bind, openWaker, view } from "./ffi.ts";
import { source, target } from "./objects.ts";
import { ownServer } from "./own-server.ts";
import { isGranted, seesDescriptors } from "./permissions.ts";
import { socketFd, stopReading } from "./sockets.ts";

export const deno: Runtime = {
  name: "deno",
  unsupported: {
    socketStreams: "Deno may have a read of the socket under way",
    messages: "Deno's node:http is not Node's own",
  },
  readsAhead: true,
  guardsSystem: true,
  env: (name) => (isGranted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined),
  bind,
  view,
  openWaker,
  // It takes the main thread of a web Worker for that of the process.
  isWorker: () => !isMainThread || "WorkerGlobalScope" in globalThis,
  seesDescriptors,
  reopen: (fd, flags) => openSync(`/proc/self/fd/${fd}`, flags),
  socketFd,
  stopReading,
  source,
  target,
  ownServer,
};
