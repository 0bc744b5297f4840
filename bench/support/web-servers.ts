/** Who serves: nginx, and three ways to serve a folder with Node, each with and without Sluice's native path. */
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { scratchFolder } from "./files.ts";
import { Unavailable } from "./programs.ts";
import { answering, freePort, type HttpServer, serverOf, startNode, watch } from "./servers.ts";

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

const app = fileURLToPath(new URL("../subjects/file-server.js", import.meta.url));
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
    startNode({ script: app, args: [name, files], nodeOptions: [...options, ...own] });

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

/** Debian's defaults (sendfile, tcp_nopush, the open files not cached), one worker, and nothing written. */
function configuration(folder: string, files: string, port: number): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
    ${process.getuid?.() === 0 ? "user root;" : ""}
    daemon off;
    worker_processes 1;
    pid ${folder}/pid;
    error_log stderr error;
    events { worker_connections 4096; }
    http {
      access_log off;
      sendfile on;
      tcp_nopush on;
      keepalive_timeout 75s;
      keepalive_requests 1000000000;
      types { }
      default_type application/octet-stream;
      ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n      ")}
      server { listen 127.0.0.1:${port}; root ${files}; }
    }`;
}

/** @throws Unavailable when nginx is not installed */
async function startNginx(folder: string, files: string): Promise<HttpServer> {
  await mkdir(folder);
  const port = await freePort();
  const file = join(folder, "nginx.conf");
  await writeFile(file, configuration(folder, files, port));
  const child = spawn("nginx", ["-p", folder, "-c", file, "-e", "stderr"], {
    env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = watch(child, "nginx").catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === "ENOENT" ? new Unavailable("nginx is not installed", { cause }) : cause;
  });
  await answering(port, ended);
  return serverOf(child, port);
}
