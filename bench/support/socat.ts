/**
 * socat as a contender. It takes one connection and ends, so that each sample is a process of its own, measured to its
 * end. Its blocks are 8 KiB unless it is told otherwise; 1 MiB is the best it does.
 */
import { freePort } from "../http/server.ts";
import type { Contender, Point } from "./contest.ts";
import { costOf } from "./ending.ts";
import { helper, start } from "./helpers.ts";
import { needProgram } from "./programs.ts";
import type { Amount, Times } from "./staying.ts";
import { counter } from "./syscalls.ts";

export const socat = "socat -b 1 MiB";

export interface Socat {
  /** What its connection is joined with. */
  readonly other: (point: Point) => string;
  readonly options?: readonly string[];
  readonly serves?: (point: Point) => boolean;
  readonly amount: (point: Point) => Amount;
  /** What a client does with it. */
  readonly work: (point: Point, port: number) => Promise<Times>;
}

/** Where its start is no longer what is measured. */
const leastBytes = 2 ** 20;

/** Asks again while nobody listens yet: it doesn't say when it does. */
async function onceListening(work: () => Promise<Times>, ended: Promise<unknown>): Promise<Times> {
  for (;;) {
    const times = await work().catch((error: unknown) => {
      if (error instanceof Error && error.message.includes("Connection refused")) return undefined;
      throw error;
    });
    if (times !== undefined) return times;
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 5)), ended]);
  }
}

/** @throws Unavailable when it is not installed */
export function socatContender({ other, options = [], serves, amount, work }: Socat): Contender {
  needProgram("socat");
  const commandFor = (point: Point, port: number) => [
    "socat",
    ...options,
    "-b",
    String(2 ** 20),
    other(point),
    `TCP-LISTEN:${port},bind=127.0.0.1,nodelay`,
  ];
  return {
    name: socat,
    role: "rival",
    serves: (point) => point.cache === "warm" && amount(point).bytes >= leastBytes && (serves?.(point) ?? true),
    async run(point) {
      const port = await freePort();
      const running = start(await helper("measure"), commandFor(point, port));
      const times = await onceListening(() => work(point, port), running.output);
      return { ...amount(point), ...costOf(await running.output), ...times };
    },
    async count(point) {
      const by = await counter();
      if (typeof by === "string") return amount(point);
      const port = await freePort();
      const counting = by.countProgram(commandFor(point, port));
      // It is awaited below, after the client.
      counting.catch(() => {});
      await onceListening(() => work(point, port), counting);
      return { ...amount(point), syscalls: await counting };
    },
  };
}
