/** Whether bytes were copied by the time a call has returned: they can't change any more then. See bench/c/live_edit.c. */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scratchFolder } from "../support/files.ts";
import { helper, start } from "../support/programs.ts";
import type { Claim } from "../report/schema.ts";
import { openVeth } from "../support/veth.ts";
import { type Finding, answered, articles } from "./article.ts";

export type EditMethod = "write" | "mapped" | "sendfile" | "splice" | "zerocopy";

export interface Link {
  readonly sender: readonly string[];
  readonly receiver: readonly string[];
  readonly address: string;
}

export const loopback: Link = { sender: [], receiver: [], address: "127.0.0.1" };

/** What keeps the bytes in the sender's socket, and what lets them all through the device at once. */
export const windows = { closed: 4096, open: 4_000_000 } as const;

/** The share of the bytes that showed an edit made after the call had returned, 0 to 1. */
export async function editedShare(method: EditMethod, window: keyof typeof windows, link = loopback): Promise<number> {
  const program = await helper("live_edit");
  const file = join(await scratchFolder(tmpdir(), 65_536), "edited");
  writeFileSync(file, "");
  const launch = (through: readonly string[], ...args: string[]) => {
    const [command = "", ...rest] = [...through, program, ...args];
    return start(command, rest);
  };
  const sending = launch(link.sender, "send", file, method, link.address);
  const port = await sending.firstLine;
  const receiving = launch(link.receiver, "receive", link.address, port, String(windows[window]));
  const [received = 0, edited = Number.NaN] = (await receiving.output).split(" ").map(Number);
  await sending.output;
  if (received === 0) throw new Error(`live_edit by ${method} received nothing`);
  return edited / received;
}

export const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

const questions = [
  {
    article: `${articles.sendfile}; ${articles.java}`,
    claim:
      "With a device that can scatter/gather, sendfile needs no copy by the CPU: only descriptors go to the socket’s buffer, and the rest is DMA.",
    experiment:
      "A veth pair into another network namespace, scatter/gather on; 64 KiB by sendfile(2); the file is edited after the call, and the other side reads later.",
  },
  {
    article: `${articles.sendfile}; ${articles.java}`,
    claim: "Without scatter/gather sendfile still copies once, from the page cache to the socket’s buffer.",
    experiment: "The same after ethtool -K … sg off tx off tso off gso off.",
  },
] as const;

function answersTo(withIt: number, without: number): Finding[] {
  return [
    {
      measured: `The edit reached ${percent(withIt)} of the bytes: they were the file’s own pages all the way.`,
      verdict: withIt > 0.9 ? "holds" : "holds in part",
      comment:
        "veth hands pages over as they are; whether a NIC reads them by DMA can’t be seen from here, but nothing copies them before it. An edit of a file that is being sent is an edit of what is received.",
    },
    {
      measured: `The edit reached ${percent(without)}: the bytes had been copied by the time the call returned.`,
      verdict: without < 0.1 ? "holds" : without < 0.9 ? "holds in part" : "out of date",
      comment: "sluice doctor says of each interface whether scatter/gather is on.",
    },
  ];
}

export function offloadClaims(): Promise<Claim[]> {
  return answered(questions, async () => {
    await using veth = await openVeth();
    const link = { sender: [], receiver: veth.far, address: veth.address };
    await veth.setScatterGather(true);
    const withIt = await editedShare("sendfile", "open", link);
    await veth.setScatterGather(false);
    return answersTo(withIt, await editedShare("sendfile", "open", link));
  });
}
