/** A server as a contender: bodies are fetched from it on one connection. */
import type { HttpServer } from "../http/server.ts";
import type { Contender, Point } from "./contest.ts";
import { helper, start } from "./helpers.ts";
import { staying, type Staying, type Times, timesOf } from "./staying.ts";

export interface Served extends Omit<Staying, "subjects" | "amount" | "work"> {
  readonly server: HttpServer;
  /** What to ask for by HTTP; otherwise bodies are asked for by their length alone. */
  readonly path?: (bytes: number) => string;
  /** Where it listens, if not on 127.0.0.1. */
  readonly address?: string;
  /** What the client is started through: into another network namespace, say. */
  readonly through?: readonly string[];
  readonly requests: (point: Point) => number;
}

/** As many bodies as make a sample long enough to be measured, and no more than are needed for that. */
export function requestsFor(budgetBytes: number, most: number): (point: Point) => number {
  return ({ bytes, cache }) => (cache === "cold" ? 1 : Math.max(1, Math.min(most, Math.round(budgetBytes / bytes))));
}

async function fetchAll(
  { server, path, address = "127.0.0.1", through = [] }: Served,
  requests: number,
  bytes: number,
): Promise<Times> {
  const order = [server.port, requests, bytes, path?.(bytes) ?? "-", address].map(String);
  const [command = "", ...args] = [...through, await helper("fetcher"), ...order];
  return timesOf(await start(command, args).output);
}

export function served(one: Served): Contender {
  const { server, requests, ...rest } = one;
  return staying({
    ...rest,
    subjects: [server],
    amount: (point) => ({ bytes: requests(point) * point.bytes, requests: requests(point) }),
    work: (point) => fetchAll(one, requests(point), point.bytes),
  });
}
