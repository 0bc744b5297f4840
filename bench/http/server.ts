/** Servers under measurement, each in a process of its own. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Unavailable } from "../support/helpers.ts";
import { probe, type Subject, subjectOf, watch } from "../support/subject.ts";

export interface HttpServer extends Subject {
  readonly port: number;
}

export function serverOf(child: ChildProcess, port: number): HttpServer {
  return { ...subjectOf(child), port };
}

const packageFolder = fileURLToPath(new URL("../../../", import.meta.url));

/** The port of the first address that a server prints. Whatever it prints after that is thrown away. */
function portFrom(output: Readable): Promise<number> {
  return new Promise((resolve) => {
    let text = "";
    const read = (chunk: string) => {
      text += chunk;
      const port = /https?:\/\/[^/\s]+:(\d+)/.exec(text)?.[1];
      if (port === undefined) return;
      output.off("data", read).resume();
      resolve(Number(port));
    };
    output.setEncoding("utf8").on("data", read);
  });
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("There is no free port");
  return address.port;
}

/** For servers that don't say when they are ready. Rejects when the server ends instead. */
export async function answering(port: number, ended: Promise<never>): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const connected = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return;
    await Promise.race([sleep(20), ended]);
  }
}

export interface NodeServer {
  readonly script: string;
  readonly args: readonly string[];
  readonly nodeOptions?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Where it is going to listen; otherwise it prints its address. */
  readonly port?: number;
}

export async function startNode({ script, args, nodeOptions = [], env = {}, port }: NodeServer): Promise<HttpServer> {
  const child = fork(script, args, {
    cwd: packageFolder,
    env: { ...process.env, ...env },
    execArgv: ["--expose-gc", "--import", probe, ...nodeOptions],
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const ended = watch(child, script);
  if (child.stdout === null) throw new Error("The server has no output");
  if (port === undefined) return serverOf(child, await Promise.race([portFrom(child.stdout), ended]));
  child.stdout.resume();
  await answering(port, ended);
  return serverOf(child, port);
}

export interface OtherProgram {
  readonly command: readonly [string, ...string[]];
  readonly env?: NodeJS.ProcessEnv;
}

/** A server of any other kind; it prints its address. */
export async function startProgram({ command: [program, ...args], env = {} }: OtherProgram): Promise<HttpServer> {
  const child = spawn(program, args, {
    cwd: packageFolder,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = watch(child, program);
  return serverOf(child, await Promise.race([portFrom(child.stdout), ended]));
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
export async function startNginx(folder: string, files: string): Promise<HttpServer> {
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
