/** Node.js, as the library sees it. */
import type { Runtime } from "../../lib/runtime.ts";
import { bind, openWaker, view } from "./ffi.ts";
import required from "./require.cjs";
import { endedBy, socketFd, stopReading } from "./sockets.ts";

export const node: Runtime = {
  name: "node",
  unsupported: {},
  env: (name) => process.env[name],
  bind,
  view,
  openWaker,
  isWorker: () => !required.workerThreads().isMainThread,
  socketFd,
  stopReading,
  endedBy,
};
