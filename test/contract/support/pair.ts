/** Two connections that a test joins: the client's and the backend's, each with its peer. */
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { Digest } from "../../support/data.ts";
import { tempFolder } from "../../support/temp.ts";
import { type Connection, connect } from "./connection.ts";

export interface Joined extends Disposable {
  /** What is given to proxy(). */
  readonly a: Socket;
  readonly b: Socket;
  /** Who is at their other ends, paused. */
  readonly client: Socket;
  readonly backend: Socket;
}

export type Kind = "TCP" | "IPv6" | "Unix";

const openers: Readonly<Record<Kind, () => Promise<Connection>>> = {
  TCP: () => connect(),
  IPv6: () => connect(undefined, "::1"),
  Unix: () => connect(join(tempFolder(), "socket")),
};

/** Two accepted connections. Errors of their peers are the test's to look for. */
export async function joined(kind: Kind = "TCP"): Promise<Joined> {
  const [left, right] = [await openers[kind](), await openers[kind]()];
  for (const peer of [left.peer, right.peer]) peer.on("error", () => undefined);
  return {
    a: left.socket,
    b: right.socket,
    client: left.peer,
    backend: right.peer,
    [Symbol.dispose]() {
      left[Symbol.dispose]();
      right[Symbol.dispose]();
    },
  };
}

/** How a socket's connection ends as its owner sees it: "end", or the code of its error. */
export function ending(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on("end", () => resolve("end")).on("close", () => resolve("close"));
    socket.resume();
  });
}

/** Reads to the end by events: a loop over a socket destroys it there, and its other direction with it. */
function readToEnd(socket: Socket, each: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on("data", each).on("end", resolve).on("error", reject);
    socket.on("close", () => reject(new Error("The connection was closed before its end")));
    socket.resume();
  });
}

/** Everything up to the end of a socket that stays open for writing. */
export async function allFrom(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await readToEnd(socket, (chunk) => void chunks.push(chunk));
  return Buffer.concat(chunks);
}

/** The same, counted and hashed. */
export async function digestFrom(socket: Socket): Promise<Digest> {
  const hash = createHash("sha256");
  let bytes = 0;
  await readToEnd(socket, (chunk) => {
    bytes += chunk.length;
    hash.update(chunk);
  });
  return { bytes, sha256: hash.digest("hex") };
}
