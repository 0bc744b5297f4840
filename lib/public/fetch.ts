/** `sluice/fetch`: files as Responses, which its own server sends without carrying them through JavaScript. */
import { currentRuntime } from "../current.ts";
import { createFile, type ServeFile } from "../fetch/file.ts";
import { nodeHandlers, type ToNodeHandler } from "../fetch/node-handler.ts";
import { serveByNode } from "../fetch/node-server.ts";
import type { FetchHandler, FileOptions, HandlerOptions, NodeHandler, ServeOptions, Server } from "../fetch/options.ts";
import { sendByStream } from "../fetch/send.ts";
import { createReadStream } from "./stream.ts";

export type {
  CloseOptions,
  FetchHandler,
  FileOptions,
  HandlerOptions,
  NodeHandler,
  ServeOptions,
  Server,
} from "../fetch/options.ts";

let respond: ServeFile | undefined;
let toHandler: ToNodeHandler | undefined;

/**
 * Answers a GET or HEAD with a file beneath a folder, and with the errors of HTTP where there is none: 400 (malformed
 * path), 403, 404, 405, 412, 416. Conditions, ranges, `index.html` of folders, and `.br`, `.zst` and `.gz` files that stand
 * beside the file are respected.
 *
 * The path is resolved by openat2(2) (Linux 5.6), so that no "..", encoded slash or symbolic link leads out of the root,
 * even while the folders change. Elsewhere it is walked a name at a time.
 *
 * The Response is an ordinary one, valid on any server; {@link serve} and {@link toNodeHandler} send its body by
 * sendfile(2) as long as it is untouched.
 *
 * @param path of a URL, percent-encoded, as in `new URL(request.url).pathname`
 * @throws TransferError where the file can't be opened for a reason that isn't the client's: `EMFILE`, `EIO`, …
 * @throws TypeError for options of a wrong type or range
 *
 * @example
 * ```ts
 * await serve({ port: 8080, fetch: (request) => file(request, new URL(request.url).pathname, { root: "public" }) });
 * ```
 */
export function file(request: Request, path: string, options: FileOptions): Promise<Response> {
  return (respond ??= createFile(currentRuntime()))(request, path, options);
}

/**
 * Serves a handler over HTTP/1.1, by node:http. Clients that end their side after a request get their answer; a body of
 * another length than its head has promised ends the connection. See
 * https://github.com/sluice-js/sluice/blob/main/docs/fetch.md.
 *
 * @returns once it listens; rejects with the system's error where it can't
 * @throws TypeError, RangeError for options of a wrong type or range, and for those that there are not
 */
export function serve(options: ServeOptions): Promise<Server> {
  return serveByNode(toNodeHandler, options, currentRuntime().server);
}

/**
 * A handler as a listener of node:http, for servers, and frameworks, of one's own. Errors of the handler are
 * answered by a bare 500 and told to `onError`; when the client goes, the Request's signal is aborted.
 */
export function toNodeHandler(fetch: FetchHandler, options?: HandlerOptions): NodeHandler {
  return (toHandler ??= nodeHandlers(currentRuntime().server?.sendFile ?? sendByStream(createReadStream)))(
    fetch,
    options,
  );
}
