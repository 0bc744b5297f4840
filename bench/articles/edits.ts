/** Whether bytes were copied by the time a call has returned: they can't change any more then. See bench/c/live_edit.c. */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { helper, start } from "../support/helpers.ts";
import { scratchFolder } from "../support/scratch.ts";

export type EditMethod = "write" | "mapped" | "sendfile" | "splice" | "zerocopy";

export interface Place {
  readonly sender: readonly string[];
  readonly receiver: readonly string[];
  readonly address: string;
}

export const loopback: Place = { sender: [], receiver: [], address: "127.0.0.1" };

/** What keeps the bytes in the sender's socket, and what lets them all through the device at once. */
export const windows = { closed: 4096, open: 4_000_000 } as const;

/** The share of the bytes that showed an edit made after the call had returned, 0 to 1. */
export async function editedShare(method: EditMethod, window: keyof typeof windows, place = loopback): Promise<number> {
  const program = await helper("live_edit");
  const file = join(await scratchFolder(tmpdir(), 65_536), "edited");
  writeFileSync(file, "");
  const launch = (through: readonly string[], ...args: string[]) => {
    const [command = "", ...rest] = [...through, program, ...args];
    return start(command, rest);
  };
  const sending = launch(place.sender, "send", file, method, place.address);
  const port = await sending.firstLine;
  const receiving = launch(place.receiver, "receive", place.address, port, String(windows[window]));
  const [received = 0, edited = Number.NaN] = (await receiving.output).split(" ").map(Number);
  await sending.output;
  if (received === 0) throw new Error(`live_edit by ${method} received nothing`);
  return edited / received;
}

export const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
