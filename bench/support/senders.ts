/** Who can send a file to a socket, each a server of its own that is asked for bodies of a length on one connection. */
import { fileURLToPath } from "node:url";
import { socatContender, staying, type Staying, timesOf } from "./contenders.ts";
import type { Contender, Point, Role } from "./contest.ts";
import { findRuntime, helper, start } from "./programs.ts";
import { type HttpServer, startNode, startProgram } from "./servers.ts";

export interface Served extends Omit<Staying, "subjects" | "amount" | "work"> {
  readonly server: HttpServer;
  /** What to ask for by HTTP; otherwise bodies are asked for by their length alone. */
  readonly path?: (bytes: number) => string;
  readonly requests: (point: Point) => number;
}

/** As many bodies as make a sample long enough to be measured, and no more than are needed for that. */
export function requestsFor(budgetBytes: number, most: number): (point: Point) => number {
  return ({ bytes, cache }) => (cache === "cold" ? 1 : Math.max(1, Math.min(most, Math.round(budgetBytes / bytes))));
}

export function served({ server, requests, path, ...rest }: Served): Contender {
  return staying({
    ...rest,
    subjects: [server],
    amount: (point) => ({ bytes: requests(point) * point.bytes, requests: requests(point) }),
    async work(point) {
      const order = [server.port, requests(point), point.bytes, path?.(point.bytes) ?? "-"].map(String);
      return timesOf(await start(await helper("fetcher"), order).output);
    },
  });
}

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

export const otherSender = (runtime: "bun" | "deno", name: string, role: Role, way: string): Sender => ({
  name,
  role,
  async start(file) {
    const { command } = await findRuntime(runtime);
    const program = runtime === "deno" && way.startsWith("serve") ? "serve" : "send";
    return startProgram({ command: [...command, script(`${runtime}/${program}.js`), file, way] });
  },
  ...(way.startsWith("serve") && { path: (bytes: number) => `/${bytes}` }),
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
