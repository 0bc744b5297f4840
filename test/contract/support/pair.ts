/** Two connections that a test joins: the client's and the backend's, each with its peer. */
import { join } from "node:path";
import type { Socket } from "node:net";
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
