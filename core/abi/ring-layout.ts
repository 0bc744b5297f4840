/**
 * The shared ring's layout, which is what two processes agree on.
 *
 * `native/header.mjs` makes the constants of the engine from these tables, and the engine asserts its struct against
 * them at compile time. Another version of the layout has another {@link ringVersion}, and is refused at the opening.
 */

/** "SLUIRING", as the eight bytes at the start of the memory. */
export const ringMagic = "SLUIRING";
export const ringVersion = 1;

/**
 * Where the fields are, in bytes from the start. What one side writes all the time shares no pair of cache lines with
 * what the other side writes (128 bytes: processors fetch neighbouring lines together).
 */
export const ringLayout = {
  magic: 0,
  version: 8,
  header_bytes: 12,
  /** u64: bytes of data, a power of two. */
  capacity: 16,
  /** u64: a random number, so that a header which is overwritten by another ring's is noticed. */
  generation: 24,
  /** u32 each: `ringParties` of the process that made the ring, and of the one that opened it. */
  creator: 128,
  opener: 132,
  /** u32 each: which of the two writes, which reads: 0 nobody yet, 1 the creator, 2 the opener. */
  writer: 136,
  reader: 140,
  /** u64: bytes written since the beginning; the writer's alone. */
  written: 256,
  /** u32: 1 when no more will be written. */
  ended: 264,
  /** u64: bytes read since the beginning; the reader's alone. */
  read: 384,
  /** u32, a futex: not 0 while the reader sleeps, and then how many bytes are worth waking it for. */
  reader_waits: 512,
  /** u32, a futex: not 0 while the writer sleeps, and then how much room it wants. */
  writer_waits: 640,
  /** The data: on a page of its own, whatever the size of a page (at most 64 KiB on Linux). */
  data: 65536,
} as const;

/** What a side of the ring says of itself. Whether that is still true, its lock says: byte 0 the creator's, byte 1 the opener's. */
export const ringParties = { absent: 0, here: 1, closed: 2 } as const;

export const ringLimits = {
  /** Least and most bytes of data. */
  least: 65536,
  most: 1073741824,
  /** How long a side that died can go unnoticed by one that waits, in milliseconds. */
  check_ms: 100,
  /** Most bytes moved before the other side hears of it. */
  chunk: 262144,
} as const;
