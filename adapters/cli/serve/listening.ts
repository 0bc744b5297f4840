/** Errors of listening in the same words on every runtime, with the address that they are about. */
import { once } from "node:events";
import type { Server } from "node:net";
import { errnoNumber, errnoText } from "../../../core/errno.ts";
import { codeOf } from "../../shared/system-error.ts";
import { type Destination, formatDestination } from "../arguments.ts";

/** What core, which knows files and streams, has no words for. */
const words: Readonly<Record<string, string>> = {
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "not an address of this machine",
  ENOTFOUND: "no such host",
};

/** Waits until something listens on an address. */
export async function listening<T>({ host, port }: Destination, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    const code = codeOf(error) ?? "";
    const reason = words[code] ?? (errnoNumber(code) === 0 ? undefined : errnoText(code));
    if (reason === undefined) throw error;
    throw new Error(`${reason} (${code}, ${formatDestination({ host, port })})`, { cause: error });
  }
}

/** Lets a server of this process listen: the port, where 0 was asked for the one that the system chose. */
export async function listen(server: Server, address: Destination): Promise<number> {
  server.listen(address.port, address.host);
  await listening(address, once(server, "listening"));
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : address.port;
}
