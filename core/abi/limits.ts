/** Limits that both sides keep to. Bytes. */
export const limits = {
  /** Most bytes `sluice_attempt` moves on the calling thread. */
  inline_bytes: 262144,
  /** Most bytes `sluice_job_attempt` moves there: a relay pipe full. */
  inline_stream_bytes: 1048576,
  /** Up to here a read and a write beat handing over pages (`npm run bench -- curve`). */
  inline_copy_bytes: 65536,
  /** Bytes of an engine turn on a socket or pipe. */
  turn_bytes: 2097152,
  /** Bytes that a direction of a pair moves before the others have their turn. */
  pair_turn_bytes: 1048576,
  /** Memory up to here is copied when a job is opened, so that its owner may change it at once. */
  copied_memory_bytes: 65536,
  /** What the offset of a mapping is a multiple of: 64 KiB, the largest page size of Linux. */
  map_alignment: 65536,
} as const;
