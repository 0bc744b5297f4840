/** The three ways from one process to another: what the sender and the receiver do in each. */
import { closeSync, openSync } from "node:fs";
import { constants } from "node:fs";
import type { Report } from "../../core/transfer/report.ts";
import { createPipe, createRing, openRing, transfer } from "../../adapters/node.ts";

export const methods = ["pipe", "ring", "splice"] as const;

/** `pipe`: write(2) into a pipe and read(2) out of it; `ring`: shared memory; `splice`: page references through a pipe. */
export type Method = (typeof methods)[number];

export interface Sizes {
  readonly ringBytes?: number | undefined;
  readonly pipeBytes?: number | undefined;
}

/** The sender's end, made. */
export interface Outlet {
  /** What the receiver opens. */
  readonly path: string;
  /** Moves the file, once the receiver has opened its end, and resolves when the receiver can know that this was all. */
  send(file: string): Promise<Report>;
  close(): void;
}

/** The receiver's end, opened. */
export interface Inlet {
  receive(target: string): Promise<Report>;
  close(): void;
}

const strategies = { pipe: "buffered", splice: "splice" } as const;

async function pipeOutlet(strategy: "buffered" | "splice", bytes: number | undefined): Promise<Outlet> {
  const pipe = await createPipe({ bytes });
  return {
    path: pipe.reader.path,
    async send(file) {
      // The receiver has its own: with ours open nobody would tell us that it has died.
      pipe.reader.close();
      const report = await transfer(file, pipe.writer, { strategy });
      pipe.writer.close();
      return report;
    },
    close: () => pipe.close(),
  };
}

async function ringOutlet(bytes: number | undefined): Promise<Outlet> {
  const ring = await createRing({ bytes });
  return {
    path: ring.path,
    async send(file) {
      const report = await transfer(file, ring);
      await ring.end();
      return report;
    },
    close: () => ring.close(),
  };
}

export function openOutlet(method: Method, { ringBytes, pipeBytes }: Sizes): Promise<Outlet> {
  return method === "ring" ? ringOutlet(ringBytes) : pipeOutlet(strategies[method], pipeBytes);
}

export async function openInlet(method: Method, path: string): Promise<Inlet> {
  if (method === "ring") {
    const ring = await openRing(path);
    return { receive: (target) => transfer(ring, target), close: () => ring.close() };
  }
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const strategy = strategies[method];
  return { receive: (target) => transfer(fd, target, { strategy }), close: () => closeSync(fd) };
}
