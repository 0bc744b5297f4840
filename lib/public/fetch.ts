/** `sluice/fetch`: files, and answers of upstreams, as Responses, which its own server sends without carrying them through JavaScript. */
import { currentRuntime } from "../current.ts";
import { createFile, type ServeFile } from "../fetch/file.ts";
import { nodeHandlers, type ToNodeHandler } from "../fetch/node-handler.ts";
import { serveByNode } from "../fetch/node-server.ts";
import type { FetchHandler, FileOptions, HandlerOptions, NodeHandler, ServeOptions, Server } from "../fetch/options.ts";
import type { ProxyPassOptions } from "../fetch/pass/options.ts";
import { passer, type PassRequest } from "../fetch/pass/proxy-pass.ts";
import { messagesBy } from "../fetch/send-message.ts";
import { sendByStream } from "../fetch/send.ts";
import { createReadStream, pipe } from "./stream.ts";

export type {
  CloseOptions,
  FetchHandler,
  FileOptions,
  HandlerOptions,
  NodeHandler,
  ServeOptions,
  Server,
} from "../fetch/options.ts";

export type { ProxyPassOptions } from "../fetch/pass/options.ts";

let respond: ServeFile | undefined;
let toHandler: ToNodeHandler | undefined;
let pass: PassRequest | undefined;

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
  toHandler ??= nodeHandlers({
    file: currentRuntime().server?.sendFile ?? sendByStream(createReadStream),
    message: messagesBy(pipe),
  });
  return toHandler(fetch, options);
}

/**
 * Passes a request on to an upstream over HTTP/1.1, on connections that are kept, and answers with what that answers: redirects,
 * codings and errors as they come. Fields of one connection stay behind (RFC 9110, 7.6.1); the upstream is told of the client by
 * `X-Forwarded-*` and `Forwarded`. When the client goes, the request to the upstream is aborted; a body that breaks off breaks
 * the connection it goes to. See https://github.com/sluice-js/sluice/blob/main/docs/fetch.md.
 *
 * @param upstream its URL: `http:` or `https:`; all paths are beneath that of the URL
 * @returns the upstream's answer; 502 where it has none, 504 where it takes too long, 408 where the client sends nothing more of its
 * body, with the reason told to `onError`; 400 for a path that would leave the upstream's, 501 for a WebSocket
 * @throws the reason of the request's signal, once that is aborted; what the request's body fails with; TransferError
 * `ERR_INVALID_STATE` where that has been read
 * @throws TypeError, RangeError for options of a wrong type or range, and for those that there are not
 *
 * @example
 * ```ts
 * await serve({ port: 8080, fetch: (request) => proxyPass(request, "http://127.0.0.1:3000") });
 * ```
 */
export function proxyPass(request: Request, upstream: string | URL, options?: ProxyPassOptions): Promise<Response> {
  return (pass ??= passer(pipe))(request, upstream, options);
}
