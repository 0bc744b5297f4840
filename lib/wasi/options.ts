/** What the functions of `sluice/wasi` are given. */

/** A folder that is lent to a guest. */
export interface Root {
  /** Of this machine. The folder is opened at once: what becomes of its name later makes no difference. */
  readonly path: string;
  /** Whether guests may create, change and delete in there. Default false. */
  readonly write?: boolean | undefined;
}

/** Folders by the names under which guests see them: `{ "/data": { path: "/srv/data" } }`. */
export type Roots = Readonly<Record<string, Root>>;

/** Bounds for a guest that doesn't mean well. What exceeds them is answered by an error, never by a trap. */
export interface Limits {
  /** Files that are open at the same time. Default 64. */
  readonly openHandles?: number | undefined;
  /** Bytes that are read, written and moved in the instance's life. Default: no bound. */
  readonly bytes?: number | undefined;
  /** The largest file that is made, in bytes. Default: no bound but the filesystem's. */
  readonly fileBytes?: number | undefined;
}
