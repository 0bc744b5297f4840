/** What the calls take and do today, and what becomes of a file that is cut while it is sent. See bench/c/allowed.c, bench/c/truncated.c. */
import { tmpdir } from "node:os";
import { scratchFolder } from "../support/files.ts";
import { helper, start } from "../support/programs.ts";
import type { Claim } from "../report/schema.ts";
import { type Finding, answered, articles, factOf, parseFacts } from "./article.ts";

const scratchBytes = 70 * 2 ** 20;

const callQuestions = [
  {
    article: articles.overview,
    claim: "The target of sendfile has to be a socket, and its source a file that can be mapped: never the other way.",
    experiment: "sendfile(2) from a file to a file, a pipe and a socket; from a socket, a pipe and a file of /proc.",
  },
  {
    article: articles.processes,
    claim: "splice joins any two files, of which one has to be a pipe.",
    experiment: "splice(2) from a file to a socket, from a socket to a pipe and from a pipe to a socket.",
  },
  {
    article: articles.processes,
    claim: "splice can be asynchronous: the call returns, the kernel goes on, and SIGIO tells of the end.",
    experiment: "A blocking splice(2) of 64 KiB into a full pipe without a reader, with an alarm after a second.",
  },
  {
    article: articles.overview,
    claim: "Copy-on-write: all share the data, and only what one of them writes is copied, for it alone.",
    experiment:
      "64 MiB mapped MAP_PRIVATE are read, then 100 pages written; the same memory after fork(2). Anonymous and private pages from /proc/self/smaps.",
  },
] as const;

function answersOfCalls(facts: ReadonlyMap<string, string>): Finding[] {
  const fact = (name: string) => factOf(facts, name);
  const moved = (name: string) => Number(fact(name)) > 0;
  const anyTarget = moved("sendfile_file_to_file") && moved("sendfile_file_to_pipe");
  const noOtherSource = ["socket_to_file", "pipe_to_file", "procfs_to_socket"].every(
    (pair) => !moved(`sendfile_${pair}`),
  );
  const throughPipes = moved("splice_socket_to_pipe") && moved("splice_pipe_to_socket");
  const onlyWritten = (name: string) => Number(fact(name)) <= 2 * 400;
  return [
    {
      measured: `To a file ${fact("sendfile_file_to_file")} bytes, to a pipe ${fact("sendfile_file_to_pipe")}, to a socket ${fact("sendfile_file_to_socket")}; from a socket ${fact("sendfile_socket_to_file")}, from a pipe ${fact("sendfile_pipe_to_file")}, from /proc/self/status ${fact("sendfile_procfs_to_socket")} (mmap(2) of it: ${fact("mmap_procfs")}).`,
      verdict: anyTarget ? (noOtherSource ? "out of date" : "wrong") : "holds",
      comment:
        "Since Linux 2.6.33 the target may be anything that can be written. Of the source they are right: a file with a page cache or splice_read of its own.",
    },
    {
      measured: `File to socket ${fact("splice_file_to_socket")}; socket to pipe ${fact("splice_socket_to_pipe")}, pipe to socket ${fact("splice_pipe_to_socket")} bytes.`,
      verdict: throughPipes && !moved("splice_file_to_socket") ? "holds" : "wrong",
    },
    {
      measured: `Into the empty pipe ${fact("splice_into_an_empty_pipe")} bytes; into the full one the call sat for the whole second, and ended with ${fact("splice_into_a_full_pipe")}.`,
      verdict: fact("splice_into_a_full_pipe") === "EINTR" ? "wrong" : "not testable here",
      comment:
        "splice(2) moves by the caller’s own thread and blocks it, or gives EAGAIN. SIGIO is of descriptors with O_ASYNC and tells of room, not of an end. Being asynchronous takes threads (the engine’s) or io_uring.",
    },
    {
      measured: `Own pages after reading ${fact("private_read_kB")} kB, after writing ${fact("private_written_kB")} kB; the file changed: ${fact("private_file_changed")}. A child after fork ${fact("fork_own_kB")} kB, after writing 100 pages ${fact("fork_written_kB")} kB.`,
      verdict: onlyWritten("private_written_kB") && onlyWritten("fork_written_kB") ? "holds" : "wrong",
      comment: "By the page of 4 KiB. It protects the writer; it gives no snapshot of a file that others write.",
    },
  ];
}

export function kernelClaims(): Promise<Claim[]> {
  return answered(callQuestions, async () => {
    const output = await start(await helper("allowed"), [await scratchFolder(tmpdir(), scratchBytes)]).output;
    return answersOfCalls(parseFacts(output));
  });
}

const pageBytes = 4096;
const keptBytes = pageBytes + 100;

const truncationQuestions = [
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
      "A file lease is the right answer: the kernel sends RT_SIGNAL_LEASE when another process truncates, and write is interrupted with the bytes so far.",
    experiment:
      "A read lease with F_SETSIG; write(2) of 1 MiB sleeps on a full pipe while another process truncates; the lease is released 300 ms later.",
  },
  {
    article: `${articles.overview}; ${articles.sendfile}`,
    claim: "When a file is truncated under sendfile it returns the bytes so far, and errno says success.",
    experiment: "sendfile(2) of 64 KiB from a file that was cut to 4,196 bytes, twice.",
  },
];

function answersOfTruncation(facts: ReadonlyMap<string, string>): Finding[] {
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
          measured: `${fact("lease_signals")} signal; write returned ${fact("lease_write")} of 1,048,576 bytes; the truncation waited ${fact("lease_cutter_waited_ms")} ms, until the lease was released.`,
          verdict: "holds in part" as const,
          comment:
            "It works, and better than they say: the process that truncates waits (up to /proc/sys/fs/lease-break-time). But there is no signal of that name (F_SETSIG chooses one, SIGIO otherwise), a write that doesn’t sleep is not interrupted, and only the owner or CAP_LEASE may take a lease.",
        },
    {
      measured: `${fact("sendfile_first")} bytes, then ${fact("sendfile_second")}.`,
      verdict: fact("sendfile_first") === String(keptBytes) ? "holds" : "wrong",
      comment: "No signal is involved, and no error: 0 with bytes still owed is how a truncation shows.",
    },
  ];
}

export function truncationClaims(): Promise<Claim[]> {
  return answered(truncationQuestions, async () => {
    const output = await start(await helper("truncated"), [await scratchFolder(tmpdir(), 2 ** 21)]).output;
    return answersOfTruncation(parseFacts(output));
  });
}
