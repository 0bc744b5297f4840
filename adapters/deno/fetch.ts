/** `sluice/fetch` for Deno. The same functions and contract as on Node: see ../node/fetch.ts. */
import { createFile, type ServeFile } from "../../lib/fetch/file.ts";
import { nodeHandlers, type ToNodeHandler } from "../../lib/fetch/node-handler.ts";
import { serveByNode } from "../../lib/fetch/node-server.ts";
import { sendByStream } from "../../lib/fetch/send.ts";
import type { ServeOptions, Server } from "../../lib/fetch/options.ts";
import { deno } from "./ffi.ts";
import { createReadStream } from "./stream.ts";

export type * from "../../lib/fetch/options.ts";

export const file: ServeFile = createFile(deno);

export const toNodeHandler: ToNodeHandler = nodeHandlers(sendByStream(createReadStream));

/** By node:http, which shows the descriptors of its sockets; Deno.serve doesn't. */
export function serve(options: ServeOptions): Promise<Server> {
  return serveByNode(toNodeHandler, options);
}
