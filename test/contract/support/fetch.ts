/** Servers of files, and clients that say exactly what they are told to. */
import { once } from "node:events";
import * as http from "node:http";
import * as net from "node:net";
import { file, type FetchHandler, type FileOptions, serve, type Server, type ServeOptions } from "sluice/fetch";
import { collect } from "../../support/data.ts";

export const origin = "http://site.test";

/** Answers a request for a path without any server. */
export function ask(path: string, options: FileOptions, init: RequestInit = {}): Promise<Response> {
  return file(new Request(`${origin}/`, init), path, options);
}

export const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

/** A handler that serves files by the path of the URL. */
export function files(options: FileOptions): FetchHandler {
  return (asked) => file(asked, new URL(asked.url).pathname, options);
}

export function serveFiles(options: FileOptions, rest: Partial<ServeOptions> = {}): Promise<Server> {
  return serve({ host: "127.0.0.1", fetch: files(options), ...rest });
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request by node:http, which takes any path and header. */
export async function request(
  { port }: Pick<Server, "port">,
  path: string,
  options: http.RequestOptions = {},
  body?: Uint8Array,
): Promise<Answer> {
  const sent = http.request({ host: "127.0.0.1", port, path, agent: false, ...options });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  return { status: response.statusCode ?? 0, headers: response.headers, body: await collect(response) };
}

export async function connectTo({ port }: Pick<Server, "port">): Promise<net.Socket> {
  const socket = net.connect({ port, host: "127.0.0.1" });
  await once(socket, "connect");
  return socket;
}

/** Sends bytes as they are and answers all that comes until the connection ends. */
export async function exchange(server: Pick<Server, "port">, text: string): Promise<string> {
  const socket = await connectTo(server);
  socket.write(text, "latin1");
  return (await collect(socket)).toString("latin1");
}

/** The first chunk that arrives; what follows stays in the kernel until the socket is resumed. */
export async function stallAfterFirst(socket: net.Socket): Promise<Buffer> {
  socket.once("data", () => socket.pause());
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return chunk;
}
