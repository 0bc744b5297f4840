/** `sluice/fetch` for Deno. The same functions and contract as on Node: see ../node/fetch.ts. */
import { constants, openSync } from "node:fs";
import type { Adopt } from "../../lib/fetch/beneath.ts";
import { createLazyFile } from "../../lib/fetch/create.ts";
import type { ServeFile } from "../../lib/fetch/file.ts";
import { nodeHandlers, type ToNodeHandler } from "../../lib/fetch/node-handler.ts";
import { serveByNode } from "../../lib/fetch/node-server.ts";
import { sendByStream } from "../../lib/fetch/send.ts";
import type { ServeOptions, Server } from "../../lib/fetch/options.ts";
import { deno } from "./ffi.ts";
import { createReadStream } from "./stream.ts";

export type * from "../../lib/fetch/options.ts";

/** Deno's node:fs knows only what it has opened itself. It asks for all permissions before it does so by /proc. */
const adopt: Adopt = (fd, native) => {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  } finally {
    native.sluice_close(fd);
  }
};

export const file: ServeFile = createLazyFile(deno, adopt);

export const toNodeHandler: ToNodeHandler = nodeHandlers(sendByStream(createReadStream));

/** By node:http, which shows the descriptors of its sockets; Deno.serve doesn't. */
export function serve(options: ServeOptions): Promise<Server> {
  return serveByNode(toNodeHandler, options);
}
