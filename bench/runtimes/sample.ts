/** What the measured programs of all runtimes share: their arguments, and two lines of output, the port and the cost. */
import process from "node:process";
import { type Cost, startMeter } from "../support/meter.ts";

const [method = "", warmup = "", file = ""] = process.argv.slice(2);

export const order = { method, warmup, file } as const;

export function announce(port: number): void {
  console.log(port);
}

export function tell(cost: Cost): void {
  console.log(JSON.stringify(cost));
}

/** Sends the warm-up and then the file; `send` resolves at the acknowledgement of the last byte. */
export async function sample(send: (path: string) => Promise<void>): Promise<void> {
  await send(order.warmup);
  const stopMeter = startMeter();
  await send(order.file);
  tell(stopMeter());
}

/** The way that was asked for. */
export function chosen<T>(ways: Readonly<Record<string, T>>): T {
  const way = ways[order.method];
  if (way === undefined) throw new Error(`There is no way ${order.method} to send a file`);
  return way;
}
