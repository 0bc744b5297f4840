/** Who can send a file to a socket, each a server of its own that is asked for bodies of a length. */
import { fileURLToPath } from "node:url";
import { freePort, type HttpServer, startNode, startProgram } from "../http/server.ts";
import type { Contender, Point, Role } from "./contest.ts";
import { helper, start } from "./helpers.ts";
import { findRuntime, needProgram } from "./programs.ts";

export interface Sender {
  readonly name: string;
  readonly role: Role;
  readonly start: (file: string) => Promise<HttpServer>;
  readonly serves?: (point: Point) => boolean;
  /** What to ask for by HTTP, where it knows nothing else. */
  readonly path?: (bytes: number) => string;
}

const script = (name: string) => fileURLToPath(new URL(`../runtimes/${name}`, import.meta.url));

export const nodeSender = (name: string, role: Role, way: string, serves?: Sender["serves"]): Sender => ({
  name,
  role,
  start: (file) => startNode({ script: script("node.js"), args: [file, way] }),
  ...(serves && { serves }),
});

export const cSender = (mechanism: string, name = `C ${mechanism}`): Sender => ({
  name,
  role: "limit",
  start: async (file) => startProgram({ command: [await helper("sender"), file, mechanism] }),
});

export const otherSender = (
  runtime: "bun" | "deno",
  name: string,
  role: Role,
  way: string,
  program = "send.js",
): Sender => ({
  name,
  role,
  async start(file) {
    const { command } = await findRuntime(runtime);
    return startProgram({ command: [...command, script(`${runtime}/${program}`), file, way] });
  },
  ...(program === "serve.js" && { path: (bytes: number) => `/${bytes}` }),
});

/** Where socat's start is no longer what is measured. */
const leastForSocat = 2 ** 20;

/**
 * socat takes one connection and ends, so that each body is a process of its own, measured to its end. Its blocks are
 * 8 KiB unless it is told otherwise; 1 MiB is the best it does.
 */
export function socat(file: string): Contender {
  needProgram("socat");
  return {
    name: "socat -b 1 MiB",
    role: "rival",
    serves: ({ bytes, cache }) => cache === "warm" && bytes >= leastForSocat,
    async run({ bytes }) {
      const port = await freePort();
      const ends = [`OPEN:${file},rdonly,readbytes=${bytes}`, `TCP-LISTEN:${port},bind=127.0.0.1,nodelay`];
      const sending = start(await helper("measure"), ["socat", "-u", "-b", String(2 ** 20), ...ends]);
      const totalNs = await fetchOnce(port, bytes, sending.output);
      const [, cpuNs = Number.NaN, voluntary, involuntary, rssBytes] = (await sending.output).split(" ").map(Number);
      return { bytes, requests: 1, wallNs: totalNs, cpuNs, mainThreadNs: cpuNs, voluntary, involuntary, rssBytes };
    },
  };
}

/** It doesn't say when it listens. */
async function fetchOnce(port: number, bytes: number, sending: Promise<string>): Promise<number> {
  const fetcher = await helper("fetcher");
  for (;;) {
    const [totalNs] = await start(fetcher, [port, 1, bytes, "="].map(String)).output.then(
      (text) => text.split(" ").map(Number),
      (error: unknown) => {
        if (error instanceof Error && error.message.includes("Connection refused")) return [];
        throw error;
      },
    );
    if (totalNs !== undefined) return totalNs;
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 5)), sending]);
  }
}
