/** Node.js, as the library sees it. */
import { createRequire } from "node:module";
import { bind, openWaker, view } from "./ffi.js";
import { endedBy, socketFd, stopReading } from "./sockets.js";
/** What is required when first needed. */
const require = createRequire(import.meta.url);
export const node = {
    name: "node",
    unsupported: {},
    env: (name) => process.env[name],
    bind,
    view,
    openWaker,
    isWorker: () => !require("node:worker_threads").isMainThread,
    socketFd,
    stopReading,
    endedBy,
};
