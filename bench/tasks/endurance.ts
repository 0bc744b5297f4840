/** Many transfers after each other: do descriptors and memory stay where they were? */
import { closeSync, openSync, readdirSync } from "node:fs";
import { acceptConnections, acknowledgement } from "./accept.ts";

export interface EnduranceInput {
  readonly file: string;
  /** Sizes of the bodies, taken in turn: some go inline, some through the engine. */
  readonly bodies: readonly number[];
  /** Transfers before the first look; a multiple of the number of bodies. */
  readonly warmup: number;
  readonly transfers: number;
}

export interface Holdings {
  readonly fds: number;
  readonly rssBytes: number;
}

export interface EnduranceOutput {
  readonly before: Holdings;
  readonly after: Holdings;
}

/** Collects first (--expose-gc), so that garbage isn't taken for a leak. */
function holdings(): Holdings {
  globalThis.gc?.();
  return { fds: readdirSync("/proc/self/fd").length, rssBytes: process.memoryUsage.rss() };
}

export async function endurance(input: EnduranceInput, announce: (port: number) => void): Promise<EnduranceOutput> {
  const { transfer } = await import("sluice");
  const [socket] = await acceptConnections(1, announce);
  if (socket === undefined) throw new Error("No connection was accepted");
  const fd = openSync(input.file, "r");
  const run = async (count: number) => {
    const arrived = acknowledgement(socket);
    for (let i = 0; i < count; i++) await transfer(fd, socket, { length: input.bodies[i % input.bodies.length] });
    await arrived;
    return holdings();
  };
  try {
    return { before: await run(input.warmup), after: await run(input.transfers) };
  } finally {
    closeSync(fd);
    socket.destroy();
  }
}
