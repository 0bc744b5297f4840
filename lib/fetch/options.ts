/** What the callers of `sluice/fetch` may ask for. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Names } from "../../core/options.ts";

export interface FileOptions {
  /** The folder that holds everything that may be served: a path or a file URL. */
  readonly root: string | URL;
  /** The file that answers for a folder; false for none. Default "index.html". */
  readonly index?: string | false;
  /**
   * Names that begin with a dot: not found (the default), served like others, or forbidden. `/.well-known/` is there to
   * be asked for (RFC 8615), and served in any case.
   */
  readonly dotfiles?: "ignore" | "allow" | "deny";
  /** Seconds for which an answer may be reused without asking again. Default 0. */
  readonly maxAge?: number;
  /** The file never changes under this name: browsers need not ask again even on reload. Default false. */
  readonly immutable?: boolean;
  /** Headers to add to answers of 200, 206 and 304, or to replace theirs. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Have it saved rather than shown, under its own name or the one given. Default false. */
  readonly download?: boolean | string;
}

export const fileOptions: Names<FileOptions> = {
  root: true,
  index: true,
  dotfiles: true,
  maxAge: true,
  immutable: true,
  headers: true,
  download: true,
};

/** A handler in the manner of fetch. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

export interface HandlerOptions {
  /** Hears of what a handler throws, which the client sees as a bare 500, and of bodies that fail. Default `console.error`. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export const handlerOptions: Names<HandlerOptions> = { onError: true };

export interface ServeOptions extends HandlerOptions {
  readonly fetch: FetchHandler;
  /** 0, the default, lets the system choose. */
  readonly port?: number;
  /** The address to listen on. Default: all of them. */
  readonly hostname?: string | undefined;
  /** The same, by node:net's name for it. */
  readonly host?: string | undefined;
  /** Let other processes listen on the same port (SO_REUSEPORT). Node 22.12; elsewhere than there a second listener is EADDRINUSE. */
  readonly reusePort?: boolean;
  /**
   * How long a connection may stand still in the midst of a request or an answer, in milliseconds; 0: for ever.
   * Default 120,000.
   */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * How long a connection is kept for a next request, in milliseconds; 0: for ever. Default 75,000, which is longer than
   * the 60 s of most balancers: behind one, let it be more than that keeps its own connections.
   */
  readonly keepAliveTimeoutMs?: number | undefined;
}

export const serveOptions: Names<ServeOptions> = {
  ...handlerOptions,
  fetch: true,
  port: true,
  hostname: true,
  host: true,
  reusePort: true,
  idleTimeoutMs: true,
  keepAliveTimeoutMs: true,
};

export interface CloseOptions {
  /** How long running answers may go on. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

export const closeOptions: Names<CloseOptions> = { timeoutMs: true };

export interface Server extends AsyncDisposable {
  readonly port: number;
  readonly hostname: string;
  readonly url: string;
  /** Takes no more connections, lets running answers finish, and breaks off those that take longer than it is willing to wait. */
  close(options?: CloseOptions): Promise<void>;
}

/** A listener of node:http. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => void;
