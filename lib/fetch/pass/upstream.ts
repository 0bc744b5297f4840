/** Which upstream is asked, and for what path. */
import { argumentError, shown } from "../../../core/error.ts";

export interface Upstream {
  readonly isEncrypted: boolean;
  readonly hostname: string;
  /** Undefined: that of the scheme. */
  readonly port: number | undefined;
  /** As a Host field names it. */
  readonly host: string;
  /** What all paths begin with, without a slash at its end: "" for none. */
  readonly base: string;
}

const schemes: ReadonlySet<string> = new Set(["http:", "https:"]);

function parsed(value: unknown): URL {
  if (value instanceof URL) return value;
  if (typeof value !== "string" || !URL.canParse(value))
    throw argumentError("ERR_INVALID_ARG_VALUE", `upstream must be a URL, got ${shown(value)}`);
  return new URL(value);
}

/** @throws TypeError for what is no upstream */
export function upstreamOf(value: string | URL): Upstream {
  const { protocol, hostname, port, host, pathname, search, hash, username, password } = parsed(value);
  if (!schemes.has(protocol))
    throw argumentError("ERR_INVALID_ARG_VALUE", `upstream must be of http: or https:, got ${protocol}`);
  if (username + password + search + hash !== "")
    throw argumentError("ERR_INVALID_ARG_VALUE", "upstream has a scheme, a host and a path, and nothing else");
  return {
    isEncrypted: protocol === "https:",
    // A socket is connected to an address without the brackets of a URL.
    hostname: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? undefined : Number(port),
    host,
    base: pathname.replace(/\/+$/, ""),
  };
}

/** Path and query of a URL, in the form that a handler has seen: dots are resolved, and nothing is decoded. */
function targetOf(url: URL): string {
  return url.pathname + url.search;
}

/** @throws TypeError for what is no path of a URL */
export function givenTarget(path: string): string {
  if (!path.startsWith("/") || !URL.canParse(`http://host${path}`))
    throw argumentError("ERR_INVALID_ARG_VALUE", `path must begin with a slash, got ${shown(path)}`);
  return targetOf(new URL(`http://host${path}`));
}

export const requestTarget = ({ url }: Request): string => targetOf(new URL(url));

/** A name that leads upwards for whoever decodes slashes, or cuts parameters off ("..;", RFC 3986, 3.3). */
const upwards = /^\.\.(?:;|$)/;

/** Whether a path would leave its base for an upstream that decodes before it resolves: a URL has resolved only what is plain. */
function leaves(target: string): boolean {
  const [path = ""] = target.split("?");
  const plain = path.replace(/%(2e|2f|5c|3b)/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  return plain.split(/[/\\]/).some((name) => upwards.test(name));
}

/** What the upstream is asked for, beneath its base; undefined where that would leave it. */
export function joined({ base }: Upstream, target: string): string | undefined {
  return base !== "" && leaves(target) ? undefined : base + target;
}
