/** Who serves: nginx, and three ways to serve a folder with Node, each with and without Sluice's native path. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Unavailable } from "../support/helpers.ts";
import { scratchFolder } from "../support/scratch.ts";
import { freePort, type HttpServer, startNginx, startNode } from "./server.ts";

/** `options` are for Node. */
export type Start = (files: string, options: readonly string[]) => Promise<HttpServer>;

/** A contender under test, and the same app without what is tested. */
export interface Pair {
  readonly name: string;
  readonly base: string;
}

export const nginx = "nginx";

export const pairs: readonly Pair[] = [
  { name: "Express + register", base: "Express" },
  { name: "Fastify + register", base: "Fastify" },
  { name: "sluice serve", base: "sluice serve, no engine" },
];

const app = (name: string) => fileURLToPath(new URL(`apps/${name}.js`, import.meta.url));
const preload = ["--import", "sluice/register"];
const commandLine = fileURLToPath(new URL("../../../dist/lib/cli/main.js", import.meta.url));

/** Without a log, as all others here; it doesn't say its port then. */
function serve(env: NodeJS.ProcessEnv = {}): Start {
  return async (files, options) => {
    const port = await freePort();
    const args = ["serve", files, "--quiet", "--port", String(port)];
    return startNode({ script: commandLine, args, nodeOptions: options, env, port });
  };
}

const framework =
  (name: string, own: readonly string[] = []): Start =>
  (files, options) =>
    startNode({ script: app(name), args: [files], nodeOptions: [...options, ...own] });

export const starts: Readonly<Record<string, Start>> = {
  [nginx]: async (files) => startNginx(join(await scratchFolder(tmpdir(), 0), nginx), files),
  Express: framework("express"),
  "Express + register": framework("express", preload),
  Fastify: framework("fastify"),
  sirv: framework("sirv"),
  "Fastify + register": framework("fastify", preload),
  "sluice serve": serve(),
  "sluice serve, no engine": serve({ SLUICE_DISABLE_NATIVE: "1" }),
};

export interface Field {
  readonly servers: ReadonlyMap<string, HttpServer>;
  /** Why a contender is not among them. */
  readonly missing: ReadonlyMap<string, string>;
}

export async function startAll(
  names: readonly string[],
  files: string,
  options: readonly string[] = [],
): Promise<Field> {
  const servers = new Map<string, HttpServer>();
  const missing = new Map<string, string>();
  for (const name of names)
    await starts[name]?.(files, options).then(
      (server) => servers.set(name, server),
      (error: unknown) => {
        if (!(error instanceof Unavailable)) throw error;
        missing.set(name, error.message);
      },
    );
  return { servers, missing };
}

export async function stopAll({ servers }: Field): Promise<void> {
  await Promise.all([...servers.values()].map((server) => server.stop()));
}
