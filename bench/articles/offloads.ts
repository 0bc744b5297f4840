/** sendfile with and without scatter/gather: whether bytes are copied on their way to the device. */
import { openVeth } from "../support/veth.ts";
import type { Claim } from "../support/rows.ts";
import { type Answer, answered, articles } from "./article.ts";
import { editedShare, percent } from "./edits.ts";

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

function answersTo(withIt: number, without: number): Answer[] {
  return [
    {
      measured: `The edit reached ${percent(withIt)} of the bytes: they were the file’s own pages all the way.`,
      verdict: withIt > 0.9 ? "holds" : "holds in part",
      comment:
        "veth hands pages over as they are; whether a NIC reads them by DMA can’t be seen from here, but nothing copies them before it. Whoever edits a file while it is sent edits what is received.",
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
    const place = { sender: [], receiver: veth.far, address: veth.address };
    await veth.setScatterGather(true);
    const withIt = await editedShare("sendfile", "open", place);
    await veth.setScatterGather(false);
    return answersTo(withIt, await editedShare("sendfile", "open", place));
  });
}
