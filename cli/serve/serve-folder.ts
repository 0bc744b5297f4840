/** `sluice serve`: a folder as a service. */
import { opendir, realpath } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { formatAddress } from "../address.ts";
import { findPort } from "../service/listening.ts";
import type { Program } from "../service/program.ts";
import { runService, type ServiceOptions } from "../service/service.ts";
import { type ServerOptions, shutdownMs, startServer } from "./site-server.ts";

export interface RunOptions extends ServiceOptions, Omit<ServerOptions, "root" | "reusePort" | "metrics"> {
  readonly folder: string;
}

const program: Program<ServerOptions> = {
  start: startServer,
  reload: async (options) => ({ ...options, root: await openFolder(options.folder) }),
  share: async (options) => ({ ...options, port: await findPort(options), reusePort: true }),
  port: ({ port }) => port,
  action: ({ root }) => `serve ${root}`,
  shutdownMs: () => shutdownMs,
};

/** Serves until a signal arrives. Sets the exit code; never throws. */
export async function runServe({ folder, workers, metricsAddress, quiet, ...rest }: RunOptions): Promise<void> {
  const prepare = async () => ({
    ...rest,
    folder,
    root: await openFolder(folder),
    reusePort: false,
    metrics: metricsAddress !== undefined,
  });
  const wordsOf = ({ root, host }: ServerOptions) => ({
    listening: (port = 0) => `Serving ${root} on ${siteUrls(host, port).join(" and ")}`,
    finishing: "Finishing the answers in flight",
  });
  await runService(program, `serve ${folder}`, prepare, wordsOf, { workers, metricsAddress, quiet });
}

/** The real path of a folder that can be read. Rejects with the system's error where there is none. */
async function openFolder(path: string): Promise<string> {
  const root = await realpath(path);
  const folder = await opendir(root);
  await folder.close();
  return root;
}

/** The wildcard addresses by the families that they take in. */
const families: Readonly<Record<string, readonly string[]>> = { "0.0.0.0": ["IPv4"], "::": ["IPv4", "IPv6"] };

/** The URLs of a server: of a wildcard address, one for each address of this machine but the link-local ones. */
function siteUrls(host: string, port: number): string[] {
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
