/** Leases on files, and mappings of them. */
import { define } from "./define.ts";

export const leaseAndMapFunctions = {
  sluice_lease_open: define({
    args: ["i32", "i32", "u32", "u32"],
    names: ["context", "fd", "type", "hold_ms"],
    doc: "Takes a lease on a regular file (F_SETLEASE, fcntl(2)) and answers its handle. -EAGAIN: it is open in the way; -EACCES: not the owner, and no CAP_LEASE; -EINVAL: the filesystem has none. A lease that somebody wants broken is released after hold_ms, and in any case before the kernel takes it.",
  }),
  sluice_lease_release: define({
    args: ["i32"],
    names: ["lease"],
    doc: "Releases a lease, frees the handle and answers how it was (SLUICE_LEASE_GONE, _HELD, _WANTED). A break that was not told yet never will be.",
  }),
  sluice_lease_reap: define({
    args: ["i32", "buffer", "u32"],
    names: ["context", "breaks", "capacity"],
    doc: "Takes up to `capacity` breaks of the context's leases and returns how many. Each lease has one.",
  }),
  sluice_map: define({
    args: ["i32", "i32", "buffer"],
    names: ["context", "fd", "mapping"],
    doc: "Maps a range of a regular file under the SIGBUS guard, fills mapping.address and returns a handle. mapping.offset is a multiple of limits.map_alignment. The descriptor is duplicated. When the context goes, the mapping is made blank; context 0 never does.",
  }),
  sluice_map_blank: define({
    args: ["i32"],
    names: ["handle"],
    doc: "Lets go of the file: its addresses are zero pages from now on, and stay taken until sluice_unmap.",
  }),
  sluice_unmap: define({
    args: ["i32"],
    names: ["handle"],
    doc: "Gives the addresses back and frees the handle. Nobody may look at them any more.",
  }),
  sluice_map_lost: define({
    args: ["i32", "buffer"],
    names: ["handle", "loss"],
    doc: "Fills loss.offset: the first offset of the file that was found missing, once or now; -1 where nothing is.",
  }),
  sluice_map_advise: define({
    args: ["i32", "buffer", "u32"],
    names: ["handle", "range", "advice"],
    doc: "Tells how a range of the mapping (an extent) will be read (madvise).",
  }),
  sluice_map_flush: define({
    args: ["i32", "buffer"],
    names: ["handle", "range"],
    doc: "Waits until what was written to a range of a shared mapping (an extent) is on the disk (msync, MS_SYNC).",
  }),
  sluice_map_residency: define({
    args: ["i32", "buffer"],
    names: ["handle", "residency"],
    doc: "Fills residency.bytes: how much of a range of the mapping is in memory, in whole pages (mincore).",
  }),
} as const;
