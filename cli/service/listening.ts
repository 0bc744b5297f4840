/** Listening, with its errors in the same words on every runtime and the address that they are about. */
import { once } from "node:events";
import { lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { type Address, formatAddress, type HostAddress } from "../address.ts";
import { errnoNumber, errnoText } from "../../core/abi/errno.ts";
import { codeOf } from "../../lib/support/system-error.ts";

/** What core, which knows files and streams, has no words for. */
const words: Readonly<Record<string, string>> = {
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "not an address of this machine",
  ENOTFOUND: "no such host",
};

/** Waits until something listens on an address. */
export async function listening<T>(address: Address, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    const code = codeOf(error) ?? "";
    const reason = words[code] ?? (errnoNumber(code) === 0 ? undefined : errnoText(code));
    if (reason === undefined) throw error;
    throw new Error(`${reason} (${code}, ${formatAddress(address)})`, { cause: error });
  }
}

export interface Sharing {
  /** Let other processes listen on the same port (SO_REUSEPORT). */
  readonly reusePort: boolean;
}

/**
 * Lets a server of this process listen: the port, where 0 was asked for the one that the system chose; undefined for a
 * socket in the filesystem.
 */
export async function listen(server: Server, address: HostAddress, options?: Sharing): Promise<number>;
export async function listen(server: Server, address: Address, options?: Sharing): Promise<number | undefined>;
export async function listen(server: Server, address: Address, options?: Sharing): Promise<number | undefined> {
  if ("path" in address) await removeStale(address.path);
  server.listen({ ...address, ...(options && { reusePort: options.reusePort }) });
  await listening(address, once(server, "listening"));
  const bound = server.address();
  return typeof bound === "object" && bound !== null ? bound.port : "port" in address ? address.port : undefined;
}

/** Listens for a moment: SO_REUSEPORT would share a port with another server, and port 0 is a new one for each worker. */
export async function findPort(address: HostAddress): Promise<number> {
  const server = createServer();
  const port = await listen(server, address);
  server.close();
  await once(server, "close");
  return port;
}

/** Removes a socket that its server left behind when it was killed: nobody answers it. */
async function removeStale(path: string): Promise<void> {
  // connect(2) refuses a file that is no socket in the same words; bind(2) complains about it.
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const socket = connect({ path });
  const refused = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(false));
    // One of somebody else is left for bind(2) to complain about.
    socket.once("error", (error) => resolve(codeOf(error) === "ECONNREFUSED"));
  });
  socket.destroy();
  if (refused) unlinkSync(path);
}
