/** One request as a browser makes it, and what can be seen of its answer from outside. */
import { type ClientRequest, type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { isIP } from "node:net";
import { connect as connectSecure } from "node:tls";

export interface Visit {
  readonly status: number;
  readonly location: string | undefined;
  readonly coding: string | undefined;
  /** Whether the answer depends on what codings the client takes: the mark of compression. */
  readonly variesByCoding: boolean;
  readonly length: number | undefined;
  readonly chunked: boolean;
  /** Bytes of the body. */
  readonly bytes: number;
}

/** How long an answer may stand still. */
const silenceMs = 30_000;

const nameOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, "");

export const portOf = ({ port, protocol }: URL): number => Number(port) || (protocol === "https:" ? 443 : 80);

function begin(url: URL, address: string, headers: Readonly<Record<string, string>>): ClientRequest {
  const options = {
    host: address,
    port: portOf(url),
    path: `${url.pathname}${url.search}`,
    headers: { host: url.host, connection: "close", "accept-encoding": "gzip, deflate, br", ...headers },
    agent: false,
  } as const;
  if (url.protocol === "http:") return requestPlain(options);
  const name = nameOf(url);
  // The peer is this machine, and its certificate is for others.
  return requestSecure({ ...options, rejectUnauthorized: false, ...(isIP(name) === 0 && { servername: name }) });
}

async function readThrough(response: IncomingMessage): Promise<Visit> {
  let bytes = 0;
  for await (const chunk of response) bytes += (chunk as Buffer).length;
  const { headers, statusCode = 0 } = response;
  return {
    status: statusCode,
    location: headers.location,
    coding: headers["content-encoding"],
    variesByCoding: /\baccept-encoding\b/i.test(headers.vary ?? ""),
    length: headers["content-length"] === undefined ? undefined : Number(headers["content-length"]),
    chunked: headers["transfer-encoding"] !== undefined,
    bytes,
  };
}

/** Asks for a URL at one address, and reads the answer to the end of its connection. */
export function visit(url: URL, address: string, headers: Readonly<Record<string, string>>): Promise<Visit> {
  return new Promise((resolve, reject) => {
    const request = begin(url, address, headers);
    request.setTimeout(silenceMs, () => request.destroy(new Error(`the app was silent for ${silenceMs / 1000} s`)));
    request.once("error", reject);
    request.once("response", (response) => void readThrough(response).then(resolve, reject));
    request.end();
  });
}

/** Whether a server that speaks TLS knows no HTTP but HTTP/2. */
export function speaksOnlyHttp2(url: URL, address: string): Promise<boolean> {
  if (url.protocol !== "https:") return Promise.resolve(false);
  const ask = (protocols: readonly string[]) =>
    new Promise<string | false | undefined>((resolve) => {
      const options = { host: address, port: portOf(url), ALPNProtocols: [...protocols], rejectUnauthorized: false };
      const socket = connectSecure(options, () => {
        resolve(socket.alpnProtocol ?? undefined);
        socket.destroy();
      });
      socket.once("error", () => resolve(undefined));
    });
  return ask(["h2"]).then(async (newest) => newest === "h2" && (await ask(["http/1.1"])) !== "http/1.1");
}
