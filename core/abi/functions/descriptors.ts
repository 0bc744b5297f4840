/** Descriptors: opened, described, closed; and the files that they name. */
import { define } from "./define.ts";

export const descriptorFunctions = {
  sluice_open_beneath: define({
    args: ["buffer", "buffer", "u32"],
    names: ["root", "path", "cached"],
    doc: "Opens a path for reading that is resolved beneath a root folder and never leaves it (openat2, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS; Linux 5.6). With `cached`, -EAGAIN where a disk would have to be asked (RESOLVE_CACHED; 5.12). To be closed by sluice_close.",
  }),
  sluice_open_at: define({
    args: ["i32", "buffer", "u32"],
    names: ["folder", "path", "flags"],
    doc: "Opens a path that is resolved beneath an open folder and never leaves it, as sluice_open_beneath does, by `openFlags`: for writing and creating, too (mode 0666 less the umask). To be closed by sluice_close.",
  }),
  sluice_closes_quickly: define({
    args: ["i32"],
    names: ["fd"],
    doc: "1 where closing the descriptor is sure to take no time (a regular file with a name, on a local filesystem), else 0.",
  }),
  sluice_inspect: define({
    args: ["i32", "buffer"],
    names: ["fd", "inspection"],
    doc: "Describes what a descriptor is.",
  }),
  sluice_access: define({
    args: ["i32", "u32"],
    names: ["fd", "mode"],
    doc: "Whether this process may open what a descriptor names, which may be one of O_PATH (access(2)'s modes): 0, or why not where that can be told.",
  }),
  sluice_duplicate: define({
    args: ["i32"],
    names: ["fd"],
    doc: "Duplicates a descriptor (F_DUPFD_CLOEXEC), to be closed by sluice_close: Deno's node:fs closes its own alone.",
  }),
  sluice_close: define({
    args: ["i32"],
    names: ["fd"],
    doc: "Closes a descriptor that sluice_duplicate, sluice_open_beneath or sluice_context_lifeline gave.",
  }),
  sluice_socket_pair: define({
    args: ["buffer"],
    names: ["ends"],
    doc: "Writes the descriptors (two i32) of the ends of a new connection: over TCP's loopback, or a pair of Unix sockets where there is none. Non-blocking, and the caller's.",
  }),
  sluice_memory_file: define({
    args: ["buffer", "u32"],
    names: ["bytes", "length"],
    doc: "The descriptor of a new file in memory that has these bytes (memfd_create(2), Linux 3.17). It is the caller's.",
  }),
  sluice_shutdown: define({
    args: ["i32", "u32"],
    names: ["socket", "how"],
    doc: "shutdown(2): 0 for SHUT_RD, 1 for SHUT_WR, 2 for both.",
  }),
  sluice_publish: define({
    args: ["i32", "buffer"],
    names: ["fd", "path"],
    doc: 'Gives an unnamed temporary (O_TMPFILE) a name that must not exist yet (linkat). Of ".", -EEXIST says that it can be done.',
  }),
  sluice_rename_new: define({
    args: ["buffer", "buffer"],
    names: ["from", "to"],
    doc: "Gives a file another name, which must not exist yet (renameat2, RENAME_NOREPLACE; Linux 3.15).",
  }),
  sluice_is_replaceable: define({
    args: ["buffer"],
    names: ["path"],
    doc: "0 where nothing about the file itself is known to forbid a rename over its name; -EPERM: it is immutable or append-only; -EBUSY: something is mounted on it (statx; Linux 4.11).",
  }),
  sluice_take_back: define({
    args: ["i32", "buffer"],
    names: ["fd", "path"],
    doc: "Takes away a file that was made for nothing, by its descriptor and name. -EBUSY: the name is another file's now, or somebody has written to it, linked it, or has it open.",
  }),
  sluice_set_times: define({
    args: ["i32", "buffer"],
    names: ["fd", "times"],
    doc: "Sets a file's access and modification times, to the nanosecond (utimensat).",
  }),
  sluice_lock: define({
    args: ["i32", "u32", "buffer"],
    names: ["fd", "type", "range"],
    doc: "Locks, or unlocks, a range of a file (an extent; an end of -1 is wherever the file ends) for the open file description: F_OFD_SETLK, fcntl(2), Linux 3.15. Never waits: -EAGAIN where somebody else has it.",
  }),
} as const;
