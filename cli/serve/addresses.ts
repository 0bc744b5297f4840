/** Where a server can be reached. */
import { networkInterfaces } from "node:os";
import { formatAddress } from "../address.ts";

/** The wildcard addresses by the families that they take in. */
const families: Readonly<Record<string, readonly string[]>> = { "0.0.0.0": ["IPv4"], "::": ["IPv4", "IPv6"] };

/** The URLs of a server: of a wildcard address, one for each address of this machine but the link-local ones. */
export function siteUrls(host: string, port: number): string[] {
  const taken = families[host];
  const hosts = taken === undefined ? [host] : localAddresses(taken);
  return hosts.map((each) => `http://${formatAddress({ host: each, port })}/`);
}

function localAddresses(taken: readonly string[]): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, address }) => taken.includes(family) && !address.startsWith("fe80:"))
    .map(({ address }) => address);
}
