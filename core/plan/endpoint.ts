/** What a source or a target is, as far as choosing a mechanism needs to know. */

export type EndpointKind =
  | "file"
  | "directory"
  | "socket"
  | "pipe"
  | "charDevice"
  | "blockDevice"
  | "memory"
  | "stream"
  | "ring"
  | "other";

/** A device or inode number: a bigint where it exceeds 2^53, so that equal numbers are always `===`. */
export type FileNumber = number | bigint;

export interface Endpoint {
  readonly kind: EndpointKind;
  /** For messages: a path, `fd 7`, `socket`. */
  readonly name: string;
  /** Whether the native engine can reach it. */
  readonly fd: boolean;
  /** Why there is no descriptor, when there is none. */
  readonly withoutFd?: string;
  /** Why its runtime had better be its only reader, where no mechanism is asked for. */
  readonly readByRuntime?: string;
  /** Why the kernel must not be asked for notices on it, where its runtime would take them for errors. */
  readonly withoutNotices?: string;
  readonly readable: boolean;
  readonly writable: boolean;
  /** O_APPEND: every write lands at the end, whatever the offset. */
  readonly append: boolean;
  /** O_NONBLOCK on the open file description. */
  readonly nonblocking: boolean;
  /** SOCK_STREAM, where it is a socket. Datagrams have boundaries that a byte range would break. */
  readonly byteStream: boolean;
  readonly listening: boolean;
  /** Bytes at the time of inspection; undefined where there is no size or it can't be trusted. */
  readonly size: number | undefined;
  /** Bytes allocated on disk; less than `size` for a sparse file. */
  readonly allocated: number | undefined;
  /**
   * Device and inode, to tell whether two endpoints are the same file; the inode of one that was made for this transfer
   * is undefined: no other end has it. And the mount it was found in, where that is told.
   */
  readonly identity:
    | { readonly device: FileNumber; readonly inode: FileNumber | undefined; readonly mount?: FileNumber }
    | undefined;
  /** statfs f_type. */
  readonly filesystem: number;
  /** Most bytes that it takes, where something has promised its reader no more. */
  readonly room?: number | undefined;
  /** Why bytes that are written to it go nowhere. */
  readonly discards?: string | undefined;
  /** Whether its reader is told how many bytes come before they do. */
  readonly announces?: boolean;
  /** Bytes that the runtime has already read from a socket: they go first, out of its own buffer. */
  readonly buffered: number;
  /** Of the bytes after those, what may pass its runtime by, which reads the others itself; undefined: all. */
  readonly passable?: number | undefined;
}

const plain: Endpoint = {
  kind: "other",
  name: "",
  fd: true,
  readable: true,
  writable: true,
  append: false,
  nonblocking: true,
  byteStream: true,
  listening: false,
  size: undefined,
  allocated: undefined,
  identity: undefined,
  filesystem: 0,
  buffered: 0,
};

/** An endpoint with ordinary properties except for those given. */
export function endpoint(properties: Partial<Endpoint> & Pick<Endpoint, "kind" | "name">): Endpoint {
  return { ...plain, ...properties };
}

/**
 * Filesystems whose st_size says nothing about the content (magic numbers of statfs(2)):
 * proc, sysfs, debugfs, tracefs, cgroup, cgroup2, securityfs, configfs, bpf, selinuxfs, efivarfs, pstore.
 */
const virtualFilesystems = new Set([
  0x9fa0, 0x62656572, 0x64626720, 0x74726163, 0x27e0eb, 0x63677270, 0x73636673, 0x62656570, 0xcafe4a11, 0xf97cff8c,
  0xde5e81e4, 0x6165676c,
]);

/** FUSE, where a server using direct_io reports a size of 0 for files that have content. */
const fuse = 0x65735546;

/** Whether a filesystem makes the content of its files when they are read: no size, no page cache, no disk. */
export function isVirtual({ filesystem }: { readonly filesystem: number }): boolean {
  return virtualFilesystems.has(filesystem);
}

/** Whether st_size of a regular file on this filesystem is its length. */
export function sizeIsTrusted(filesystem: number, size: number): boolean {
  return !isVirtual({ filesystem }) && !(filesystem === fuse && size === 0);
}

/** Whether reading it takes an offset. */
export function hasPositions({ kind }: Endpoint): boolean {
  return kind === "file" || kind === "blockDevice" || kind === "memory";
}

/** A file that was made for this transfer. */
export function asNew(end: Endpoint): Endpoint {
  return { ...end, identity: end.identity && { ...end.identity, inode: undefined } };
}

/** Whether two endpoints are one file. */
export function isSameFile(a: Endpoint, b: Endpoint): boolean {
  return (
    a.identity?.inode !== undefined &&
    b.identity !== undefined &&
    a.identity.device === b.identity.device &&
    a.identity.inode === b.identity.inode
  );
}
