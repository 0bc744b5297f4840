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
  isWorker: () =>
    // A bundle that is ESM has no require(); Node before 20.16 has no getBuiltinModule().
    !(process.getBuiltinModule?.("node:worker_threads") ?? required.workerThreads()).isMainThread,
  socketFd,
  stopReading,
  endedBy,
};
