/** TCP proxies under measurement, each in a process of its own, before one upstream. */
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Role } from "./contest.ts";
import { scratchFolder } from "./files.ts";
import { helper, needProgram } from "./programs.ts";
import { freePort, type HttpServer, startNode, startProgram, startSilent } from "./servers.ts";

export const haproxy = "HAProxy";
/** splice-auto is a heuristic that hardly ever splices a fast stream on loopback; this leaves it no choice. */
export const haproxyForced = "HAProxy, always splicing";
export const pipe = "a.pipe(b), b.pipe(a)";
export const preloaded = "the same + register";
export const own = "proxy()";

interface HaproxyOptions {
  readonly mode?: "tcp" | "http";
  /** Connections of clients at a time, for which it has to be allowed the descriptors. */
  readonly most?: number;
}

/** One thread, as Debian's configuration leaves everything else, and nothing logged. */
function configuration(
  port: number,
  upstream: number,
  options: readonly string[],
  { mode = "tcp", most = 4096 }: HaproxyOptions,
): string {
  return `
global
  nbthread 1
  maxconn ${most}
  maxpipes 128
defaults
  mode ${mode}
${options.map((option) => `  option ${option}`).join("\n")}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:${port}
  server upstream 127.0.0.1:${upstream}
`;
}

/** @throws Unavailable when it is not installed */
export async function startHaproxy(
  upstream: number,
  options: readonly string[],
  how: HaproxyOptions = {},
): Promise<HttpServer> {
  const program = needProgram("haproxy");
  const port = await freePort();
  const file = join(await scratchFolder(tmpdir(), 0), "haproxy.cfg");
  await writeFile(file, configuration(port, upstream, options, how));
  return startSilent([program, "-q", "-db", "-f", file], port);
}

const app =
  (name: string, nodeOptions: readonly string[] = []) =>
  (upstream: number) =>
    startNode({
      script: fileURLToPath(new URL("../subjects/tcp-proxy.js", import.meta.url)),
      args: [name, String(upstream)],
      nodeOptions,
    });

export const startPipe = app("pipe");

export interface Proxy {
  readonly name: string;
  readonly role: Role;
  readonly start: (upstream: number) => Promise<HttpServer>;
}

export const proxies: readonly Proxy[] = [
  { name: haproxy, role: "rival", start: (upstream) => startHaproxy(upstream, ["splice-auto"]) },
  {
    name: haproxyForced,
    role: "rival",
    start: (upstream) => startHaproxy(upstream, ["splice-request", "splice-response"]),
  },
  { name: pipe, role: "rival", start: startPipe },
  { name: preloaded, role: "sluice", start: app("pipe", ["--import", "sluice/register"]) },
  { name: own, role: "sluice", start: app("sluice") },
  {
    name: "C splice, poll(2)",
    role: "limit",
    start: async (upstream) => startProgram({ command: [await helper("relay"), String(upstream)] }),
  },
];
