/** The process's own descriptors, as procfs shows them: the one view that every runtime shares. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Socket } from "node:net";

/** Undefined for what has been closed since the folder was listed: by the list itself, by a thread of the engine. */
function linkOf(path: string): string | undefined {
  try {
    return fs.readlinkSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Every open descriptor with what it is: a path, `socket:[inode]`, `anon_inode:[eventpoll]`. */
export function openFds(): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of fs.readdirSync("/proc/self/fd")) {
    const what = linkOf(`/proc/self/fd/${name}`);
    if (what !== undefined) found.set(Number(name), what);
  }
  return found;
}

/** A descriptor's position and open flags. */
export function fdInfo(fd: number): { position: number; flags: number } {
  const text = fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? "";
  return { position: Number(field("pos")), flags: Number.parseInt(field("flags"), 8) };
}

/** The number of a connected TCP socket, found by its two ports. */
export function fdOfSocket(socket: Socket): number {
  const port = (number: number | undefined) => (number ?? 0).toString(16).toUpperCase().padStart(4, "0");
  const ends = new RegExp(`:${port(socket.localPort)} \\w+:${port(socket.remotePort)} `);
  const line = ["tcp", "tcp6"]
    .flatMap((table) => fs.readFileSync(`/proc/self/net/${table}`, "utf8").split("\n"))
    .find((row) => ends.test(row));
  const inode = line?.trim().split(/\s+/)[9];
  for (const [fd, what] of openFds()) if (what === `socket:[${inode}]`) return fd;
  throw new Error(`No descriptor for the socket between ports ${socket.localPort} and ${socket.remotePort}`);
}

export interface Pipe {
  readonly path: string;
  readonly reader: number;
  readonly writer: number;
}

let pipes = 0;

/** A pipe with both ends open; `nonblocking` sets O_NONBLOCK on both. */
export function pipe(folder: string, { nonblocking = false } = {}): Pipe {
  const path = fifo(folder);
  const { O_RDWR, O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants;
  const extra = nonblocking ? O_NONBLOCK : 0;
  // Opening one end of a FIFO waits for the other, except read and write together.
  const both = fs.openSync(path, O_RDWR);
  const reader = fs.openSync(path, O_RDONLY | extra);
  const writer = fs.openSync(path, O_WRONLY | extra);
  fs.closeSync(both);
  return { path, reader, writer };
}

/** A FIFO that nobody has opened. */
export function fifo(folder: string): string {
  const path = join(folder, `fifo-${pipes++}`);
  // Bun closes the sockets of a child's streams some time after the child has ended.
  execFileSync("mkfifo", [path], { stdio: "ignore" });
  return path;
}
