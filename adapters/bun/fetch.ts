/** `sluice/fetch` for Bun. The same functions and contract as on Node: see ../node/fetch.ts. */
import { createReadStream } from "node:fs";
import { createLazyFile } from "../../lib/fetch/create.ts";
import type { ServeFile } from "../../lib/fetch/file.ts";
import { nodeHandlers, type ToNodeHandler } from "../../lib/fetch/node-handler.ts";
import type { ServeOptions, Server } from "../../lib/fetch/options.ts";
import { sendByStream } from "../../lib/fetch/send.ts";
import { bun } from "./ffi.ts";
import { sendByTransfer } from "./send-file.ts";
import { serveByBun } from "./server.ts";

export type * from "../../lib/fetch/options.ts";

export const file: ServeFile = createLazyFile(bun, (fd) => fd);

/** Bun's own http.Server shows no descriptors; {@link serve}'s has sockets that do. */
export const toNodeHandler: ToNodeHandler = nodeHandlers(sendByTransfer(sendByStream(createReadStream)));

/** See ../node/fetch.ts. */
export const serve: (options: ServeOptions) => Promise<Server> = serveByBun(toNodeHandler);
