/** Contexts, and the jobs of one: attempts on the engine's threads, and on the calling one. */
import { define } from "./define.ts";

export const jobFunctions = {
  sluice_context_open: define({
    args: [],
    names: [],
    doc: "Opens a context: where one isolate's outcomes go.",
  }),
  sluice_context_wake_fd: define({
    args: ["i32"],
    names: ["context"],
    doc: "The isolate's end of the wake-up socket: readable when there is something to reap. The caller owns it; closing it closes the context.",
  }),
  sluice_context_lifeline: define({
    args: ["i32"],
    names: ["context"],
    doc: "The read end of a pipe, owned by the caller; when its last duplicate is closed, so is the context. For runtimes that leave the wake-up socket open when an isolate dies.",
  }),
  sluice_context_close: define({
    args: ["i32"],
    names: ["context"],
    doc: "Cancels the context's jobs and frees it once they have ended. Nothing is notified any more.",
  }),
  sluice_job_open: define({
    args: ["i32", "i32", "i32"],
    names: ["context", "source", "target"],
    doc: "Duplicates both descriptors (F_DUPFD_CLOEXEC) into a new job and returns its handle. A ring of the context takes a descriptor's place by its handle, negated.",
  }),
  sluice_job_open_memory: define({
    args: ["i32", "buffer", "buffer", "i32"],
    names: ["context", "bytes", "memory", "target"],
    doc: "A job whose source is memory (a record says how much): its bytes are copied, or used where they are, and then stay the caller's to keep until no outcome says that they are held.",
  }),
  sluice_job_open_tee: define({
    args: ["i32", "i32", "buffer", "u32", "u32"],
    names: ["context", "source", "outlets", "count", "capacity"],
    doc: "A job that gives all that its source has to each of `count` new pipes, of `capacity` bytes where the kernel allows it; fills in their read ends, to be closed by sluice_close. A pipe that nobody reads any more is left out.",
  }),
  sluice_tee_feed: define({
    args: ["i32", "buffer", "u32"],
    names: ["job", "bytes", "length"],
    doc: "Copies bytes that every pipe of an idle tee job gets before those of its source; once. No outcome counts them.",
  }),
  sluice_tee_blocked: define({
    args: ["i32"],
    names: ["job"],
    doc: "Index of the pipe that is full and holds up a tee job; -EAGAIN where it waits for none.",
  }),
  sluice_job_start: define({
    args: ["i32", "buffer"],
    names: ["job", "request"],
    doc: "Starts one attempt on an idle job. Its outcome arrives at the context.",
  }),
  sluice_job_cancel: define({
    args: ["i32"],
    names: ["job"],
    doc: "Asks a started attempt to end; its outcome says what had moved. Idle jobs ignore it.",
  }),
  sluice_job_progress: define({
    args: ["i32", "buffer"],
    names: ["job", "bytes"],
    doc: "Writes the bytes moved by the attempt so far (i64) without disturbing it.",
  }),
  sluice_job_residue: define({
    args: ["i32", "buffer", "u32"],
    names: ["job", "bytes", "capacity"],
    doc: "Takes bytes that an ended attempt had read from a stream and not delivered (outcome.stranded), and answers how many; 0 when none are left.",
  }),
  sluice_job_close: define({
    args: ["i32"],
    names: ["job"],
    doc: "Closes both duplicates and frees the handle. A running attempt is cancelled and forgotten.",
  }),
  sluice_job_replace_source: define({
    args: ["i32", "i32"],
    names: ["job", "source"],
    doc: "Gives an idle job another source (duplicated), in place of the one it was opened with.",
  }),
  sluice_job_outstanding: define({
    args: ["i32"],
    names: ["job"],
    doc: "Bytes that the target has taken and still holds: unacknowledged by a socket's peer (SIOCOUTQ), unread in a pipe (FIONREAD), 0 for others. -EPIPE where the connection is gone.",
  }),
  sluice_reap: define({
    args: ["i32", "buffer", "u32"],
    names: ["context", "outcomes", "capacity"],
    doc: "Takes up to `capacity` outcomes from the context and returns how many.",
  }),
  sluice_attempt: define({
    args: ["i32", "i32", "buffer", "buffer", "buffer", "u32"],
    names: ["source", "target", "request", "outcome", "head", "head_length"],
    doc: "One bounded attempt on the calling thread that never waits: resident pages, room in the socket, or `blocked`. A head goes before them, in the same segment.",
  }),
  sluice_job_attempt: define({
    args: ["i32", "i32", "i32", "buffer", "buffer"],
    names: ["context", "source", "target", "request", "outcome"],
    doc: "One bounded attempt on the calling thread to splice from a connection to another, or to a file in memory, that never waits. 0: it is over. Else the handle of an idle job: of one that is `blocked`, to be resumed, or of one that failed and holds what it could not deliver. -EAGAIN where such ends may wait.",
  }),
  sluice_read_now: define({
    args: ["i32", "buffer", "buffer"],
    names: ["source", "request", "bytes"],
    doc: "Reads a file at the request's offset, up to its length (at most SLUICE_INLINE_BYTES), if that waits for nothing: how many bytes, or a negative errno; -EAGAIN where a disk would have to be asked.",
  }),
  sluice_run: define({
    args: ["i32", "i32", "buffer", "buffer"],
    names: ["source", "target", "request", "outcome"],
    doc: "One attempt between two regular files, run to its end on the calling thread, which waits for disks: for hosts that can't return promises. -EINVAL for other ends.",
  }),
  sluice_send: define({
    args: ["i32", "buffer", "u32", "u32"],
    names: ["socket", "bytes", "length", "more"],
    doc: "One write to a socket that never waits (MSG_DONTWAIT): how many bytes it took. With `more`, they may share a segment with what follows (MSG_MORE).",
  }),
} as const;
