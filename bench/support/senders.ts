/** Who can send a file to a socket, each a server of its own that is asked for bodies of a length. */
import { fileURLToPath } from "node:url";
import { type HttpServer, startNode, startProgram } from "../http/server.ts";
import type { Contender, Point, Role } from "./contest.ts";
import { helper, start } from "./helpers.ts";
import { findRuntime } from "./programs.ts";
import { socatContender } from "./socat.ts";
import { timesOf } from "./staying.ts";

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

/** Each body by a process of its own, which takes one connection and ends. */
export function socatSender(file: string): Contender {
  return socatContender({
    other: ({ bytes }) => `OPEN:${file},rdonly,readbytes=${bytes}`,
    options: ["-u"],
    amount: ({ bytes }) => ({ bytes, requests: 1 }),
    work: async ({ bytes }, port) =>
      timesOf(await start(await helper("fetcher"), [port, 1, bytes, "="].map(String)).output),
  });
}
