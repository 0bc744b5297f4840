/** nginx and HAProxy as proxies in processes of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { freePort, isListening } from "../../support/ports.ts";
import { waitFor } from "../../support/wait.ts";

export interface Front extends AsyncDisposable {
  readonly url: string;
}

async function start(child: ChildProcess, port: number): Promise<Front> {
  let said = "";
  child.stderr?.on("data", (text: Buffer) => (said += text.toString()));
  await waitFor("the other proxy to listen", async () => {
    if (child.exitCode !== null) throw new Error(`It ended: ${said}`);
    return await isListening(port);
  });
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      await exit;
    },
  };
}

const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
const stdio = ["ignore", "ignore", "pipe"] as const;

export async function startNginx(folder: string, upstream: string): Promise<Front> {
  const port = await freePort();
  mkdirSync(join(folder, "temporary"));
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const config = `
daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off;
  ${paths.map((name) => `${name}_temp_path ${folder}/temporary/${name};`).join(" ")}
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 0;
    location / {
      proxy_pass ${upstream};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
    }
  }
}`;
  const file = join(folder, "nginx.conf");
  writeFileSync(file, config);
  return await start(spawn("nginx", ["-p", folder, "-c", file, "-e", "stderr"], { env, stdio: [...stdio] }), port);
}

export async function startHaproxy(folder: string, upstream: string): Promise<Front> {
  const port = await freePort();
  const { host } = new URL(upstream);
  const config = `
global
  nbthread 1
defaults
  mode http
  option splice-auto
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend front
  bind 127.0.0.1:${port}
  default_backend back
backend back
  server one ${host}
`;
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, config);
  return await start(spawn("haproxy", ["-db", "-q", "-f", file], { env, stdio: [...stdio] }), port);
}
