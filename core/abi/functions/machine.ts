/** What the library, the kernel and the process are and may do. */
import { define } from "./define.ts";

export const machineFunctions = {
  sluice_abi_fingerprint: define({
    args: [],
    names: [],
    doc: "Fingerprint of the layout this library was built with.",
  }),
  sluice_probe: define({
    args: ["u32"],
    names: ["strategy"],
    doc: "0 when the kernel has the strategy's system call, else -ENOSYS or -EPERM (asked with descriptors of -1).",
  }),
  sluice_uncached_io: define({
    args: [],
    names: [],
    doc: "1 where the kernel itself reads and writes without leaving pages behind (RWF_DONTCACHE), on filesystems that have it; else 0.",
  }),
  sluice_interface: define({
    args: ["buffer", "buffer"],
    names: ["name", "features"],
    doc: "Offload features of a network interface (SIOCETHTOOL).",
  }),
  sluice_allow_files: define({
    args: ["u32"],
    names: ["wanted"],
    doc: "Lets the process open so many files (RLIMIT_NOFILE, prlimit(2)); nothing changes where it may already. -EPERM where the hard limit is lower and the process lacks CAP_SYS_RESOURCE, or where that is more than /proc/sys/fs/nr_open.",
  }),
  sluice_census: define({
    args: ["buffer"],
    names: ["census"],
    doc: "What the engine holds at this moment; for tests and diagnostics.",
  }),
} as const;
