/** What `proxyPass()` may be asked for. */
import type { Agent as HttpAgent } from "node:http";
import type { Agent as HttpsAgent } from "node:https";
import { argumentError, shown } from "../../../core/error.ts";
import { checkFlag, checkKnown, type Names, oneOf } from "../../../core/options.ts";
import { milliseconds } from "../../../core/proxy.ts";

export interface ProxyPassOptions {
  /** Path and query to ask for in place of the request's own, such as its path without a prefix. */
  readonly path?: string | undefined;
  /** The socket to connect to: a path. The upstream's URL then gives the scheme, the Host and the base path alone. */
  readonly unix?: string | undefined;
  /** Passes the request's Host on. Default false: the upstream's own host is named. */
  readonly preserveHost?: boolean | undefined;
  /**
   * `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` (RFC 7239). "replace", the default, tells what is known here and nothing
   * that a client says; "append" trusts whoever stands in front, adds the address to its list, and leaves its scheme and host; "off"
   * adds nothing and passes on what came.
   */
  readonly forwarded?: "replace" | "append" | "off" | undefined;
  /** The client's address. Default: that of the connection, where a server of ours has it; else it is unknown. */
  readonly clientAddress?: string | undefined;
  /** How long a connection to the upstream may take, in milliseconds; 0: for ever. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long the head of the answer may take once the request has been sent, in milliseconds; 0: for ever. Default 60,000. */
  readonly headersTimeoutMs?: number | undefined;
  /** How long a body may stand still on the connection to the upstream, in milliseconds; 0: for ever. Default 60,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Keeps the connections to the upstream: for limits and TLS of one's own. Default: one that all calls share. */
  readonly agent?: HttpAgent | HttpsAgent | undefined;
  /**
   * Hears why there is no answer of the upstream's; a Response that it gives is the answer in place of the bare 502 or 504. Default
   * `console.error`.
   */
  readonly onError?: ((error: unknown, request: Request) => Response | Promise<Response> | void) | undefined;
}

export const proxyPassOptions: Names<ProxyPassOptions> = {
  path: true,
  unix: true,
  preserveHost: true,
  forwarded: true,
  clientAddress: true,
  connectTimeoutMs: true,
  headersTimeoutMs: true,
  idleTimeoutMs: true,
  agent: true,
  onError: true,
};

/** Milliseconds; 0: for ever. */
export interface PassTimes {
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

/** What is asked, checked. */
export interface PassAsked extends PassTimes {
  readonly path: string | undefined;
  readonly unix: string | undefined;
  readonly preserveHost: boolean;
  readonly forwarded: "replace" | "append" | "off";
  readonly clientAddress: string | undefined;
  readonly agent: HttpAgent | undefined;
  readonly onError: NonNullable<ProxyPassOptions["onError"]>;
}

function text(name: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === "string" && value !== "")) return value;
  throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a text with something in it, got ${shown(value)}`);
}

/** @throws TypeError, RangeError */
export function checkPass(options: ProxyPassOptions): PassAsked {
  checkKnown(options, proxyPassOptions);
  const { agent, onError = (error: unknown) => console.error(error) } = options;
  if (agent !== undefined && (typeof agent !== "object" || agent === null || !("addRequest" in agent)))
    throw argumentError(
      "ERR_INVALID_ARG_TYPE",
      `agent must be an Agent of node:http or node:https, got ${shown(agent)}`,
    );
  if (typeof onError !== "function")
    throw argumentError("ERR_INVALID_ARG_TYPE", `onError must be a function, got ${shown(onError)}`);
  return {
    path: text("path", options.path),
    unix: text("unix", options.unix),
    preserveHost: checkFlag("preserveHost", options.preserveHost, false),
    forwarded: oneOf("forwarded", ["replace", "append", "off"], options.forwarded),
    clientAddress: text("clientAddress", options.clientAddress),
    connectTimeoutMs: milliseconds("connectTimeoutMs", options.connectTimeoutMs ?? 10_000),
    headersTimeoutMs: milliseconds("headersTimeoutMs", options.headersTimeoutMs ?? 60_000),
    idleTimeoutMs: milliseconds("idleTimeoutMs", options.idleTimeoutMs ?? 60_000),
    agent,
    onError,
  };
}
