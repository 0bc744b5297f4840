/** Shared rings, and pipes, between two processes. */
import { define } from "./define.ts";

export const ringFunctions = {
  sluice_ring_create: define({
    args: ["i32", "u32", "u32"],
    names: ["context", "bytes", "attach_ms"],
    doc: "Makes a ring of shared memory (memfd_create, sealed) for `bytes` of data, a power of two, and answers its handle. -ETIMEDOUT comes of whatever waits longer than attach_ms (0: for ever) for the other side to open it.",
  }),
  sluice_ring_open: define({
    args: ["i32", "i32"],
    names: ["context", "fd"],
    doc: "Opens a ring that somebody else has made, by a descriptor of it, and answers its handle. -EBADMSG: it is none; -EBUSY: it has two sides already.",
  }),
  sluice_ring_fd: define({
    args: ["i32"],
    names: ["ring"],
    doc: "A descriptor of the ring's memory to hand out: the other side opens the ring by it. The ring's own until it is closed.",
  }),
  sluice_ring_write: define({
    args: ["i32", "buffer", "u32"],
    names: ["ring", "bytes", "length"],
    doc: "Copies bytes into the ring, as many as it has room for, and answers how many. -EAGAIN: none; -EBUSY: a job has the ring, or the other side writes; -EPIPE, -EOWNERDEAD, -ETIMEDOUT, -EBADMSG: nobody will read them.",
  }),
  sluice_ring_read: define({
    args: ["i32", "buffer", "u32"],
    names: ["ring", "bytes", "capacity"],
    doc: "Copies bytes out of the ring and answers how many; 0 at the end. -EAGAIN: none are there yet; -EBUSY; -ECONNRESET: closed before its end; -EOWNERDEAD, -ETIMEDOUT, -EBADMSG.",
  }),
  sluice_ring_peek: define({
    args: ["i32", "buffer"],
    names: ["ring", "extent"],
    doc: "Fills in where the bytes to read next lie in the ring's data, without taking them, and answers 1; 0 at the end. Else as sluice_ring_read.",
  }),
  sluice_ring_consume: define({
    args: ["i32", "u32"],
    names: ["ring", "length"],
    doc: "Takes bytes that sluice_ring_peek has shown: their place may be written from now on.",
  }),
  sluice_ring_end: define({
    args: ["i32"],
    names: ["ring"],
    doc: "Says that no more will be written.",
  }),
  sluice_ring_status: define({
    args: ["i32", "buffer"],
    names: ["ring", "ring_status"],
    doc: "What the ring's header says at this moment.",
  }),
  sluice_ring_job: define({
    args: ["i32"],
    names: ["ring"],
    doc: "Opens a job that waits for the ring alone: see the request's flags wait_data and wait_room.",
  }),
  sluice_ring_close: define({
    args: ["i32"],
    names: ["ring"],
    doc: "Lets go of the ring, once its jobs have been closed, and tells the other side.",
  }),
  sluice_pipe: define({
    args: ["u32", "buffer"],
    names: ["bytes", "pipe_ends"],
    doc: "Makes a pipe that never blocks, with room for as much of `bytes` as the system allows (F_SETPIPE_SZ; /proc/sys/fs/pipe-max-size). Both ends are to be closed by sluice_close.",
  }),
} as const;
