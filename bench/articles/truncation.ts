/** A file is cut while it is being sent. See bench/c/truncated.c. */
import { tmpdir } from "node:os";
import { helper, start } from "../support/helpers.ts";
import type { Claim } from "../support/rows.ts";
import { scratchFolder } from "../support/scratch.ts";
import { type Answer, answered, articles, factOf, parseFacts } from "./article.ts";

const pageBytes = 4096;
const keptBytes = pageBytes + 100;

const questions = [
  {
    article: `${articles.overview}; ${articles.sendfile}`,
    claim: "When a mapped file is truncated, write(2) from the mapping is ended by SIGBUS, which kills the process.",
    experiment:
      "64 KiB are mapped, the file is cut to 4,196 bytes, and write(2) is called on the whole mapping; then the mapping is touched by the program itself.",
  },
  {
    article: `${articles.overview}; ${articles.sendfile}`,
    claim: "With a SIGBUS handler that just returns, write gives the bytes so far, and errno says success.",
    experiment: "The same with a handler that counts its calls.",
  },
  {
    article: `${articles.overview}; ${articles.sendfile}`,
    claim:
      "A file lease is the right answer: the kernel sends RT_SIGNAL_LEASE when somebody truncates, and write is interrupted with the bytes so far.",
    experiment:
      "A read lease with F_SETSIG; write(2) of 1 MiB sleeps on a full pipe while another process truncates; the lease is let go 300 ms later.",
  },
  {
    article: `${articles.overview}; ${articles.sendfile}`,
    claim: "When a file is truncated under sendfile it returns the bytes so far, and errno says success.",
    experiment: "sendfile(2) of 64 KiB from a file that was cut to 4,196 bytes, twice.",
  },
];

function answersTo(facts: ReadonlyMap<string, string>): Answer[] {
  const fact = (name: string) => factOf(facts, name);
  const survived = fact("write_second") === "EFAULT" && fact("write_bus_errors") === "0";
  const lease = facts.get("lease");
  return [
    {
      measured: `write(2) took ${fact("write_first")} bytes and then failed with ${fact("write_second")}; no signal came. Touching the mapping: ${fact("touch")}.`,
      verdict: survived ? "out of date" : "holds",
      comment: `The kernel copies with faults disabled and answers EFAULT. The danger is another: ${fact("write_zeros_beyond_the_end")} zeros from beyond the new end (${keptBytes} bytes) went out as if they were the file’s. Programs that read the mapping themselves, as JavaScript does, still die: that is what the guard is for.`,
    },
    {
      measured: `The handler was called ${fact("write_bus_errors")} times; write returned ${fact("write_first")}, and ${fact("write_second")} for the rest.`,
      verdict: survived ? "out of date" : "holds",
      comment:
        "A handler that returns to an instruction of the program itself would be called for ever: the instruction is tried again.",
    },
    lease !== undefined
      ? { measured: `A lease is refused here: ${lease}`, verdict: "not testable here" as const }
      : {
          measured: `${fact("lease_signals")} signal; write returned ${fact("lease_write")} of 1,048,576 bytes; the truncation waited ${fact("lease_cutter_waited_ms")} ms, until the lease was let go.`,
          verdict: "holds in part" as const,
          comment:
            "It works, and better than they say: the one who truncates waits (up to /proc/sys/fs/lease-break-time). But there is no signal of that name (F_SETSIG chooses one, SIGIO otherwise), a write that doesn’t sleep is not interrupted, and only the owner or CAP_LEASE may take a lease.",
        },
    {
      measured: `${fact("sendfile_first")} bytes, then ${fact("sendfile_second")}.`,
      verdict: fact("sendfile_first") === String(keptBytes) ? "holds" : "wrong",
      comment: "No signal is involved, and no error: 0 with bytes still owed is how a truncation shows.",
    },
  ];
}

export function truncationClaims(): Promise<Claim[]> {
  return answered(questions, async () => {
    const output = await start(await helper("truncated"), [await scratchFolder(tmpdir(), 2 ** 21)]).output;
    return answersTo(parseFacts(output));
  });
}
