/** Numbers that have a name on both sides: opcodes, kinds, states and flags. */

/** Numbers of the mechanisms the engine runs. */
export const opcodes = {
  sendfile: 1,
  splice: 2,
  copyFileRange: 3,
  reflink: 4,
  mapped: 5,
  buffered: 6,
  direct: 7,
  vmsplice: 8,
  tee: 9,
  sendZeroCopy: 10,
  sharedRing: 11,
} as const;

/** A mechanism that the native engine runs. */
export type NativeStrategy = keyof typeof opcodes;

/** How an attempt ended. `blocked` comes from attempts on the calling thread alone: the rest needs the engine. */
export const ends = { done: 0, eof: 1, cancelled: 2, error: 3, blocked: 4 } as const;

/** Which end an error is about; `none` where the call can't tell or nothing failed. */
export const sides = { none: 0, source: 1, target: 2 } as const;

/** Types of lease, and what another process wants to do to a file when it breaks one. */
export const leaseTypes = { read: 1, write: 2 } as const;

/** How a lease was when it was released: gone, for its time was up; held; held, though another process wanted the file. */
export const leaseStates = { gone: 0, held: 1, wanted: 2 } as const;

/** What `sluice_lock` makes of a range. */
export const lockTypes = { none: 0, shared: 1, exclusive: 2 } as const;

/** How a pair ended: both directions have; one reached its limit; it was stopped; a connection failed. */
export const pairEnds = { ended: 0, limit: 1, stopped: 2, failed: 3 } as const;

/**
 * Bits of `pair_request.flags`: large flows may be spliced; what is given has used up the limit of a direction, and was cut.
 */
export const pairFlags = { splice: 1, cut_to_b: 2, cut_to_a: 4 } as const;

/** Bits of `request.flags`. */
export const requestFlags = {
  dontcache: 1,
  /** Another mechanism follows: sendZeroCopy gives way where the kernel copies after all. */
  give_way: 2,
  /** Nothing is moved: waits until the kernel has released the memory that earlier attempts have sent. */
  settle: 4,
  /** A job of `sluice_ring_job` is done when there is something to read. */
  wait_data: 8,
  /** … when there is room for `length` bytes. */
  wait_room: 16,
  /** The job closes itself when the attempt is done, off the calling thread; with any other end it stays open. */
  last: 32,
  /** Holes of the source, a file, stay holes of the target, which is one too, new and empty. */
  holes: 64,
  /** Nothing is moved: the target, a file, gets the extended attributes of the source, another. */
  attributes: 128,
  /** A job of `sluice_job_attempt` goes on where that left off; the rest of the request was given then. */
  resume: 256,
} as const;

/** `outcome.copied`: what the kernel itself says; `untold` where it says nothing. */
export const copyNotices = { untold: 0, none: 1, some: 2 } as const;

/** What a descriptor is. */
export const fdKinds = {
  file: 1,
  directory: 2,
  socket: 3,
  pipe: 4,
  charDevice: 5,
  blockDevice: 6,
  other: 7,
  memory: 8,
  /** No descriptor at all. */
  ring: 9,
} as const;

/** Bits of `inspection.flags`. */
export const fdFlags = {
  readable: 1,
  writable: 2,
  append: 4,
  nonblocking: 8,
  stream: 16,
  listening: 32,
  path: 64,
} as const;

/** Bits of `sluice_open_at`'s flags. `path`: a descriptor for its place alone (O_PATH). */
export const openFlags = {
  read: 1,
  write: 2,
  create: 4,
  exclusive: 8,
  truncate: 16,
  directory: 32,
  noFollow: 64,
  path: 128,
} as const;

/** Bits of `interface.features`. */
export const nicFlags = { scatterGather: 1, tso: 2, txChecksum: 4 } as const;

/** What `sluice_map_advise` may say, by the numbers of madvise(2). */
export const advices = { normal: 0, random: 1, sequential: 2, will_need: 3 } as const;
