/* Made from core/abi.ts by native/header.mjs. Change it there. */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdint.h>

#define SLUICE_ABI_FINGERPRINT 572297884

/* The library is built with hidden visibility: only what bears this mark leaves it. */
#define SLUICE_EXPORT __attribute__((visibility("default")))

/* Mechanisms. */
enum {
    SLUICE_SENDFILE = 1,
    SLUICE_SPLICE = 2,
    SLUICE_COPY_FILE_RANGE = 3,
    SLUICE_REFLINK = 4,
    SLUICE_MAPPED = 5,
    SLUICE_BUFFERED = 6,
    SLUICE_DIRECT = 7,
};

/* How an attempt ended. */
enum {
    SLUICE_END_DONE = 0,
    SLUICE_END_EOF = 1,
    SLUICE_END_CANCELLED = 2,
    SLUICE_END_ERROR = 3,
    SLUICE_END_BLOCKED = 4,
};

/* Which end an error is about. */
enum {
    SLUICE_SIDE_NONE = 0,
    SLUICE_SIDE_SOURCE = 1,
    SLUICE_SIDE_TARGET = 2,
};

/* What a descriptor is. */
enum {
    SLUICE_KIND_FILE = 1,
    SLUICE_KIND_DIRECTORY = 2,
    SLUICE_KIND_SOCKET = 3,
    SLUICE_KIND_PIPE = 4,
    SLUICE_KIND_CHAR_DEVICE = 5,
    SLUICE_KIND_BLOCK_DEVICE = 6,
    SLUICE_KIND_OTHER = 7,
};

enum {
    SLUICE_FD_READABLE = 1,
    SLUICE_FD_WRITABLE = 2,
    SLUICE_FD_APPEND = 4,
    SLUICE_FD_NONBLOCKING = 8,
    SLUICE_FD_STREAM = 16,
    SLUICE_FD_LISTENING = 32,
    SLUICE_FD_PATH = 64,
};

enum {
    SLUICE_NIC_SCATTER_GATHER = 1,
    SLUICE_NIC_TSO = 2,
    SLUICE_NIC_TX_CHECKSUM = 4,
};

enum {
    SLUICE_ADVICE_NORMAL = 0,
    SLUICE_ADVICE_RANDOM = 1,
    SLUICE_ADVICE_SEQUENTIAL = 2,
    SLUICE_ADVICE_WILL_NEED = 3,
};

enum {
    SLUICE_LEASE_READ = 1,
    SLUICE_LEASE_WRITE = 2,
};

enum {
    SLUICE_LOCK_NONE = 0,
    SLUICE_LOCK_SHARED = 1,
    SLUICE_LOCK_EXCLUSIVE = 2,
};

enum {
    SLUICE_REQUEST_DONTCACHE = 1,
};

enum {
    SLUICE_PAIR_END_ENDED = 0,
    SLUICE_PAIR_END_LIMIT = 1,
    SLUICE_PAIR_END_STOPPED = 2,
    SLUICE_PAIR_END_FAILED = 3,
};

enum {
    SLUICE_PAIR_SPLICE = 1,
    SLUICE_PAIR_CUT_TO_B = 2,
    SLUICE_PAIR_CUT_TO_A = 4,
};

/* Limits, in bytes. */
enum {
    SLUICE_INLINE_BYTES = 262144,
    SLUICE_INLINE_COPY_BYTES = 65536,
    SLUICE_TURN_BYTES = 2097152,
    SLUICE_PAIR_TURN_BYTES = 1048576,
    SLUICE_MAP_ALIGNMENT = 65536,
};

struct sluice_request {
    uint32_t strategy;
    uint32_t flags;
    int64_t offset;
    int64_t length;
    int64_t target_offset;
};
_Static_assert(sizeof(struct sluice_request) == 32, "sluice_request");

struct sluice_outcome {
    int32_t job;
    uint32_t end;
    int64_t bytes;
    int64_t stranded;
    int32_t error;
    uint32_t failed;
    int64_t syscalls;
    int64_t waits;
    int64_t cpu_ns;
    int64_t head;
};
_Static_assert(sizeof(struct sluice_outcome) == 64, "sluice_outcome");

struct sluice_inspection {
    uint32_t kind;
    uint32_t flags;
    int64_t size;
    int64_t device;
    int64_t inode;
    int64_t filesystem;
    int64_t blocks;
    int64_t position;
    uint32_t mode;
    int32_t socket_domain;
    int64_t modified_ns;
    int64_t changed_ns;
};
_Static_assert(sizeof(struct sluice_inspection) == 80, "sluice_inspection");

struct sluice_pair_request {
    uint32_t flags;
    uint32_t head;
    int64_t most_to_b;
    int64_t most_to_a;
};
_Static_assert(sizeof(struct sluice_pair_request) == 24, "sluice_pair_request");

struct sluice_pair_outcome {
    int32_t pair;
    uint32_t end;
    int32_t error;
    uint32_t failed;
    int64_t to_b_bytes;
    int64_t to_b_spliced;
    int64_t to_b_stranded;
    int64_t to_b_syscalls;
    int64_t to_b_waits;
    int64_t to_a_bytes;
    int64_t to_a_spliced;
    int64_t to_a_stranded;
    int64_t to_a_syscalls;
    int64_t to_a_waits;
    uint32_t ended;
    uint32_t reserved;
};
_Static_assert(sizeof(struct sluice_pair_outcome) == 104, "sluice_pair_outcome");

struct sluice_pair_progress {
    int64_t to_b_bytes;
    int64_t to_a_bytes;
    int64_t idle_ns;
    uint32_t hung_up;
    uint32_t reserved;
};
_Static_assert(sizeof(struct sluice_pair_progress) == 32, "sluice_pair_progress");

struct sluice_extent {
    int64_t start;
    int64_t end;
};
_Static_assert(sizeof(struct sluice_extent) == 16, "sluice_extent");

struct sluice_times {
    int64_t access_s;
    int64_t access_ns;
    int64_t modify_s;
    int64_t modify_ns;
};
_Static_assert(sizeof(struct sluice_times) == 32, "sluice_times");

struct sluice_interface {
    uint32_t features;
    uint32_t reserved;
};
_Static_assert(sizeof(struct sluice_interface) == 8, "sluice_interface");

struct sluice_lease_break {
    int32_t lease;
    uint32_t wanted;
    int64_t remaining_ns;
};
_Static_assert(sizeof(struct sluice_lease_break) == 16, "sluice_lease_break");

struct sluice_mapping {
    uint32_t shared;
    uint32_t reserved;
    int64_t offset;
    int64_t length;
    int64_t address;
};
_Static_assert(sizeof(struct sluice_mapping) == 32, "sluice_mapping");

struct sluice_loss {
    int64_t offset;
};
_Static_assert(sizeof(struct sluice_loss) == 8, "sluice_loss");

struct sluice_residency {
    int64_t start;
    int64_t end;
    int64_t bytes;
};
_Static_assert(sizeof(struct sluice_residency) == 24, "sluice_residency");

struct sluice_census {
    uint32_t contexts;
    uint32_t jobs;
    uint32_t workers;
    uint32_t blocking_workers;
    uint32_t pooled_pipes;
    uint32_t leases;
    uint32_t pairs;
    uint32_t relays;
};
_Static_assert(sizeof(struct sluice_census) == 32, "sluice_census");

/* Every function returns zero or a positive answer, or a negative errno. */

/* Fingerprint of the layout this library was built with. */
SLUICE_EXPORT int32_t sluice_abi_fingerprint(void);

/* Opens a context: where one isolate's outcomes go. */
SLUICE_EXPORT int32_t sluice_context_open(void);

/* The isolate's end of the wake-up socket: readable when there is something to reap. The caller owns it; closing it closes the context. */
SLUICE_EXPORT int32_t sluice_context_wake_fd(int32_t context);

/* The read end of a pipe, owned by the caller; when its last duplicate is closed, so is the context. For runtimes that leave the wake-up socket open when an isolate dies. */
SLUICE_EXPORT int32_t sluice_context_lifeline(int32_t context);

/* Cancels the context's jobs and frees it once they have ended. Nothing is notified any more. */
SLUICE_EXPORT int32_t sluice_context_close(int32_t context);

/* Duplicates both descriptors (F_DUPFD_CLOEXEC) into a new job and returns its handle. */
SLUICE_EXPORT int32_t sluice_job_open(int32_t context, int32_t source, int32_t target);

/* Starts one attempt on an idle job. Its outcome arrives at the context. */
SLUICE_EXPORT int32_t sluice_job_start(int32_t job, void *request);

/* Asks a started attempt to end; its outcome says what had moved. Idle jobs ignore it. */
SLUICE_EXPORT int32_t sluice_job_cancel(int32_t job);

/* Writes the bytes moved by the attempt so far (i64) without disturbing it. */
SLUICE_EXPORT int32_t sluice_job_progress(int32_t job, void *bytes);

/* Takes bytes that an ended attempt had read from a stream and not delivered (outcome.stranded), and answers how many; 0 when none are left. */
SLUICE_EXPORT int32_t sluice_job_residue(int32_t job, void *bytes, uint32_t capacity);

/* Closes both duplicates and frees the handle. A running attempt is cancelled and forgotten. */
SLUICE_EXPORT int32_t sluice_job_close(int32_t job);

/* Gives an idle job another source (duplicated), in place of the one it was opened with. */
SLUICE_EXPORT int32_t sluice_job_replace_source(int32_t job, int32_t source);

/* Bytes that the target has taken and still holds: unacknowledged by a socket's peer (SIOCOUTQ), unread in a pipe (FIONREAD), 0 for others. -EPIPE where the connection is gone. */
SLUICE_EXPORT int32_t sluice_job_outstanding(int32_t job);

/* Takes up to `capacity` outcomes from the context and returns how many. */
SLUICE_EXPORT int32_t sluice_reap(int32_t context, void *outcomes, uint32_t capacity);

/* Duplicates the descriptors of two connections into a new pair and returns its handle. */
SLUICE_EXPORT int32_t sluice_pair_open(int32_t context, int32_t a, int32_t b);

/* Starts moving bytes between the two, after those given here; request.head is how many of those for b count nowhere. One outcome arrives at the context. */
SLUICE_EXPORT int32_t sluice_pair_start(int32_t pair, void *request, void *to_b, uint32_t to_b_length, void *to_a, uint32_t to_a_length);

/* Asks a started pair to end; its outcome says what had moved. Others ignore it. */
SLUICE_EXPORT int32_t sluice_pair_stop(int32_t pair);

/* Writes how many bytes have moved, for how long none has, and whose peers have ended (bit 0: a's, 1: b's), without disturbing the pair. */
SLUICE_EXPORT int32_t sluice_pair_progress(int32_t pair, void *progress);

/* Takes up to `capacity` outcomes of pairs from the context and returns how many. */
SLUICE_EXPORT int32_t sluice_pair_reap(int32_t context, void *outcomes, uint32_t capacity);

/* Closes both duplicates and frees the handle; a started pair is stopped and forgotten. With `reset`, TCP connections are aborted (RST) and others shut down, whoever else has them open. */
SLUICE_EXPORT int32_t sluice_pair_close(int32_t pair, uint32_t reset);

/* One bounded attempt on the calling thread that never waits: resident pages, room in the socket, or `blocked`. A head goes before them, in the same segment. */
SLUICE_EXPORT int32_t sluice_attempt(int32_t source, int32_t target, void *request, void *outcome, void *head, uint32_t head_length);

/* One write to a socket that never waits (MSG_DONTWAIT): how many bytes it took. With `more`, they may share a segment with what follows (MSG_MORE). */
SLUICE_EXPORT int32_t sluice_send(int32_t socket, void *bytes, uint32_t length, uint32_t more);

/* Opens a path for reading that is resolved beneath a root folder and never leaves it (openat2, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS; Linux 5.6). With `cached`, -EAGAIN where a disk would have to be asked (RESOLVE_CACHED; 5.12). To be closed by sluice_close. */
SLUICE_EXPORT int32_t sluice_open_beneath(void *root, void *path, uint32_t cached);

/* 1 where closing the descriptor is sure to take no time (a regular file with a name, on a local filesystem), else 0. */
SLUICE_EXPORT int32_t sluice_closes_quickly(int32_t fd);

/* Describes what a descriptor is. */
SLUICE_EXPORT int32_t sluice_inspect(int32_t fd, void *inspection);

/* Duplicates a descriptor (F_DUPFD_CLOEXEC), to be closed by sluice_close: Deno's node:fs closes its own alone. */
SLUICE_EXPORT int32_t sluice_duplicate(int32_t fd);

/* Closes a descriptor that sluice_duplicate, sluice_open_beneath or sluice_context_lifeline gave. */
SLUICE_EXPORT int32_t sluice_close(int32_t fd);

/* shutdown(2): 0 for SHUT_RD, 1 for SHUT_WR, 2 for both. */
SLUICE_EXPORT int32_t sluice_shutdown(int32_t socket, uint32_t how);

/* 0 when the kernel has the strategy's system call, else -ENOSYS or -EPERM (asked with descriptors of -1). */
SLUICE_EXPORT int32_t sluice_probe(uint32_t strategy);

/* Finds the next run of data at or after extent.start (SEEK_DATA, SEEK_HOLE). -ENXIO when only a hole is left. */
SLUICE_EXPORT int32_t sluice_next_extent(int32_t fd, void *extent);

/* Gives an unnamed temporary (O_TMPFILE) a name that must not exist yet (linkat). */
SLUICE_EXPORT int32_t sluice_publish(int32_t fd, void *path);

/* Sets a file's access and modification times, to the nanosecond (utimensat). */
SLUICE_EXPORT int32_t sluice_set_times(int32_t fd, void *times);

/* Locks, or unlocks, a range of a file (an extent; an end of -1 is wherever the file ends) for the open file description: F_OFD_SETLK, fcntl(2), Linux 3.15. Never waits: -EAGAIN where somebody else has it. */
SLUICE_EXPORT int32_t sluice_lock(int32_t fd, uint32_t type, void *range);

/* 1 where the kernel itself reads and writes without leaving pages behind (RWF_DONTCACHE), on filesystems that have it; else 0. */
SLUICE_EXPORT int32_t sluice_uncached_io(void);

/* Offload features of a network interface (SIOCETHTOOL). */
SLUICE_EXPORT int32_t sluice_interface(void *name, void *features);

/* Takes a lease on a regular file (F_SETLEASE, fcntl(2)) and answers its handle. -EAGAIN: it is open in the way; -EACCES: not the owner, and no CAP_LEASE; -EINVAL: the filesystem has none. A lease that somebody wants broken is released after hold_ms, and in any case before the kernel takes it. */
SLUICE_EXPORT int32_t sluice_lease_open(int32_t context, int32_t fd, uint32_t type, uint32_t hold_ms);

/* Releases a lease and frees the handle: 1 where it was held until now, 0 where time had run out for it. */
SLUICE_EXPORT int32_t sluice_lease_release(int32_t lease);

/* Takes up to `capacity` breaks of the context's leases and returns how many. Each lease has one. */
SLUICE_EXPORT int32_t sluice_lease_reap(int32_t context, void *breaks, uint32_t capacity);

/* Maps a range of a regular file under the SIGBUS guard, fills mapping.address and returns a handle. mapping.offset is a multiple of limits.map_alignment. The descriptor is duplicated. */
SLUICE_EXPORT int32_t sluice_map(int32_t fd, void *mapping);

/* Lets go of the file: its addresses are zero pages from now on, and stay taken until sluice_unmap. */
SLUICE_EXPORT int32_t sluice_map_blank(int32_t handle);

/* Gives the addresses back and frees the handle. Nobody may look at them any more. */
SLUICE_EXPORT int32_t sluice_unmap(int32_t handle);

/* Fills loss.offset: the first offset of the file that was found missing, once or now; -1 where nothing is. */
SLUICE_EXPORT int32_t sluice_map_lost(int32_t handle, void *loss);

/* Tells how a range of the mapping (an extent) will be read (madvise). */
SLUICE_EXPORT int32_t sluice_map_advise(int32_t handle, void *range, uint32_t advice);

/* Waits until what was written to a range of a shared mapping (an extent) is on the disk (msync, MS_SYNC). */
SLUICE_EXPORT int32_t sluice_map_flush(int32_t handle, void *range);

/* Fills residency.bytes: how much of a range of the mapping is in memory, in whole pages (mincore). */
SLUICE_EXPORT int32_t sluice_map_residency(int32_t handle, void *residency);

/* What the engine holds at this moment; for tests and diagnostics. */
SLUICE_EXPORT int32_t sluice_census(void *census);

#endif
