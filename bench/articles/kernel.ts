/** What the calls take and do today. See bench/c/allowed.c. */
import { tmpdir } from "node:os";
import { helper, start } from "../support/helpers.ts";
import type { Claim } from "../support/rows.ts";
import { scratchFolder } from "../support/scratch.ts";
import { type Answer, answered, articles, factOf, parseFacts } from "./article.ts";

const scratchBytes = 70 * 2 ** 20;

const questions = [
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
    experiment: "A blocking splice(2) of 64 KiB into a full pipe that nobody reads, with an alarm after a second.",
  },
  {
    article: articles.overview,
    claim: "Copy-on-write: all share the data, and only what one of them writes is copied, for it alone.",
    experiment:
      "64 MiB mapped MAP_PRIVATE are read, then 100 pages written; the same memory after fork(2). Anonymous and private pages from /proc/self/smaps.",
  },
] as const;

function answersTo(facts: ReadonlyMap<string, string>): Answer[] {
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
      comment: "By the page of 4 KiB. It protects who writes; it gives no snapshot of a file that others write.",
    },
  ];
}

export function kernelClaims(): Promise<Claim[]> {
  return answered(questions, async () => {
    const output = await start(await helper("allowed"), [await scratchFolder(tmpdir(), scratchBytes)]).output;
    return answersTo(parseFacts(output));
  });
}
