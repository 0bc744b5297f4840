/** `sluice serve`: a folder as a service. */
import { opendir, realpath } from "node:fs/promises";
import { findPort } from "../service/listening.ts";
import type { Program } from "../service/program.ts";
import { runService, type ServiceOptions } from "../service/run.ts";
import { siteUrls } from "./addresses.ts";
import { type ServerOptions, shutdownMs, startServer } from "./server.ts";

export interface RunOptions extends ServiceOptions, Omit<ServerOptions, "root" | "reusePort" | "metrics"> {
  readonly folder: string;
}

const program: Program<ServerOptions> = {
  start: startServer,
  share: async (options) => ({ ...options, port: await findPort(options), reusePort: true }),
  port: ({ port }) => port,
  action: ({ root }) => `serve ${root}`,
  shutdownMs: () => shutdownMs,
};

/** Serves until a signal arrives. Sets the exit code; never throws. */
export async function runServe({ folder, workers, metricsAddress, quiet, ...rest }: RunOptions): Promise<void> {
  const prepare = async () => ({
    ...rest,
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
