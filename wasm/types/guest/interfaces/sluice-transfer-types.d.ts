declare module 'sluice:transfer/types@0.1.0' {
  /**
   * What the system answered, by the names of errno(3), in the order of core/abi/errno.ts. An answer without a name of its
   * own here comes as `failed`.
   * # Variants
   *
   * ## `"eperm"`
   *
   * ## `"enoent"`
   *
   * ## `"eintr"`
   *
   * ## `"eio"`
   *
   * ## `"enxio"`
   *
   * ## `"ebadf"`
   *
   * ## `"eagain"`
   *
   * ## `"enomem"`
   *
   * ## `"eacces"`
   *
   * ## `"efault"`
   *
   * ## `"ebusy"`
   *
   * ## `"eexist"`
   *
   * ## `"exdev"`
   *
   * ## `"enodev"`
   *
   * ## `"enotdir"`
   *
   * ## `"eisdir"`
   *
   * ## `"einval"`
   *
   * ## `"enfile"`
   *
   * ## `"emfile"`
   *
   * ## `"enotty"`
   *
   * ## `"etxtbsy"`
   *
   * ## `"efbig"`
   *
   * ## `"enospc"`
   *
   * ## `"espipe"`
   *
   * ## `"erofs"`
   *
   * ## `"emlink"`
   *
   * ## `"epipe"`
   *
   * ## `"edeadlk"`
   *
   * ## `"enametoolong"`
   *
   * ## `"enolck"`
   *
   * ## `"enosys"`
   *
   * ## `"enotempty"`
   *
   * ## `"eloop"`
   *
   * ## `"enodata"`
   *
   * ## `"ebadmsg"`
   *
   * ## `"eoverflow"`
   *
   * ## `"eilseq"`
   *
   * ## `"enotsock"`
   *
   * ## `"emsgsize"`
   *
   * ## `"enoprotoopt"`
   *
   * ## `"eopnotsupp"`
   *
   * ## `"enetdown"`
   *
   * ## `"enetunreach"`
   *
   * ## `"econnaborted"`
   *
   * ## `"econnreset"`
   *
   * ## `"enobufs"`
   *
   * ## `"enotconn"`
   *
   * ## `"etimedout"`
   *
   * ## `"econnrefused"`
   *
   * ## `"ehostunreach"`
   *
   * ## `"ealready"`
   *
   * ## `"einprogress"`
   *
   * ## `"estale"`
   *
   * ## `"edquot"`
   *
   * ## `"ecanceled"`
   *
   * ## `"eownerdead"`
   *
   * ## `"enotrecoverable"`
   */
  export type Errno = 'eperm' | 'enoent' | 'eintr' | 'eio' | 'enxio' | 'ebadf' | 'eagain' | 'enomem' | 'eacces' | 'efault' | 'ebusy' | 'eexist' | 'exdev' | 'enodev' | 'enotdir' | 'eisdir' | 'einval' | 'enfile' | 'emfile' | 'enotty' | 'etxtbsy' | 'efbig' | 'enospc' | 'espipe' | 'erofs' | 'emlink' | 'epipe' | 'edeadlk' | 'enametoolong' | 'enolck' | 'enosys' | 'enotempty' | 'eloop' | 'enodata' | 'ebadmsg' | 'eoverflow' | 'eilseq' | 'enotsock' | 'emsgsize' | 'enoprotoopt' | 'eopnotsupp' | 'enetdown' | 'enetunreach' | 'econnaborted' | 'econnreset' | 'enobufs' | 'enotconn' | 'etimedout' | 'econnrefused' | 'ehostunreach' | 'ealready' | 'einprogress' | 'estale' | 'edquot' | 'ecanceled' | 'eownerdead' | 'enotrecoverable';
  export interface Details {
    /**
     * For a person; it may be reworded in any version.
     */
    message: string,
    /**
     * What had reached the target by then.
     */
    bytesTransferred: number,
    /**
     * Where in the source it happened, where that is known.
     */
    sourceOffset: number | null,
  }
  export interface SystemFailure {
    errno: Errno,
    details: Details,
  }
  /**
   * What went wrong, and how far it had come. Match on the case and, for `system`, on the errno.
   */
  export type Error = ErrorSystem | ErrorTruncated | ErrorUnsupported | ErrorOverlap | ErrorClosed | ErrorInvalidArgument | ErrorLimitExceeded | ErrorFailed;
  export interface ErrorSystem {
    tag: 'system',
    val: SystemFailure,
  }
  /**
   * The source ended before the bytes that it had at the start.
   */
  export interface ErrorTruncated {
    tag: 'truncated',
    val: Details,
  }
  /**
   * No mechanism serves this pair of ends, or a forced one does not.
   */
  export interface ErrorUnsupported {
    tag: 'unsupported',
    val: Details,
  }
  /**
   * Source and target are one file and the ranges overlap.
   */
  export interface ErrorOverlap {
    tag: 'overlap',
    val: Details,
  }
  /**
   * The instance, or what it was lent, is closed.
   */
  export interface ErrorClosed {
    tag: 'closed',
    val: Details,
  }
  /**
   * A number out of range, a path that is none, a mechanism that doesn't exist.
   */
  export interface ErrorInvalidArgument {
    tag: 'invalid-argument',
    val: Details,
  }
  /**
   * A limit of the host's: open handles, or bytes.
   */
  export interface ErrorLimitExceeded {
    tag: 'limit-exceeded',
    val: Details,
  }
  /**
   * Anything else.
   */
  export interface ErrorFailed {
    tag: 'failed',
    val: Details,
  }
  export interface TransferOptions {
    /**
     * Where in the source to start.
     */
    offset: number,
    /**
     * Most bytes to move; none is to the end. A range past the end is cut to what is there.
     */
    length: number | null,
    /**
     * Where in the target to write. With none the target is emptied first, and written from its start.
     */
    targetOffset: number | null,
    /**
     * Mechanisms by their names ("portable", "sendfile", ...), in order; an empty list leaves the choice to Sluice.
     */
    strategies: Array<string>,
  }
  export interface CopyOptions {
    /**
     * Whether a target that exists is replaced; else `eexist`.
     */
    overwrite: boolean,
    /**
     * Whether to wait until the copy is on the disk.
     */
    durable: boolean,
  }
  /**
   * Whether a CPU copied the bytes on this machine: observed or inherent, never hoped for.
   * # Variants
   *
   * ## `"no"`
   *
   * ## `"yes"`
   *
   * ## `"unknown"`
   */
  export type Copied = 'no' | 'yes' | 'unknown';
  export interface Attempt {
    strategy: string,
    bytes: number,
    /**
     * The name of the errno that ended it, if one did.
     */
    code: string | null,
    reason: string,
  }
  export interface Report {
    /**
     * What reached the target.
     */
    bytes: number,
    /**
     * The mechanism that moved the most of it; none when there was nothing to move.
     */
    strategy: string | null,
    attempts: Array<Attempt>,
    copied: Copied,
    /**
     * System calls and CPU time of the engine; 0 where the host's own calls moved the bytes.
     */
    syscalls: number,
    cpuNs: number,
    durationNs: number,
  }
  export interface ExplainedEnd {
    name: string,
    kind: string,
    size: number | null,
  }
  export interface Candidate {
    strategy: string,
    reason: string,
    /**
     * CPU copies of each byte, in words: "2", "0 or 1".
     */
    copies: string,
    switchesPerRound: number,
    copied: Copied,
  }
  export interface Rejection {
    strategy: string,
    reason: string,
  }
  export interface Explanation {
    source: ExplainedEnd,
    target: ExplainedEnd,
    offset: number | null,
    length: number | null,
    /**
     * In the order in which they would be tried.
     */
    candidates: Array<Candidate>,
    rejected: Array<Rejection>,
    /**
     * The way of the bytes, for a terminal.
     */
    drawing: string,
  }
  /**
   * # Variants
   *
   * ## `"yes"`
   *
   * ## `"no"`
   *
   * ## `"unknown"`
   */
  export type Ability = 'yes' | 'no' | 'unknown';
  export interface Capability {
    strategy: string,
    ability: Ability,
    reason: string,
  }
  export interface CapabilityReport {
    /**
     * Whether the native engine is there, and why not.
     */
    engine: boolean,
    reason: string,
    strategies: Array<Capability>,
  }
}
