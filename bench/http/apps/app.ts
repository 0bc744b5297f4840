/** What the apps share: their argument, and the line that says where they listen. */
import type { AddressInfo } from "node:net";

const [root] = process.argv.slice(2);
if (root === undefined) throw new Error("No folder to serve was given");

export const folder = root;

/** As long as nginx keeps a connection. */
export const keepAliveMs = 75_000;

export function announce(address: AddressInfo | string | null): void {
  if (address === null || typeof address === "string") throw new Error("The server has no port");
  console.log(`http://127.0.0.1:${address.port}`);
}
