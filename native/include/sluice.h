/* Made from core/abi by native/header.mjs. Change it there. */
#ifndef SLUICE_H
#define SLUICE_H

#include <errno.h>
#include <stdint.h>

#define SLUICE_ABI_FINGERPRINT 1835581951

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
    SLUICE_VMSPLICE = 8,
    SLUICE_TEE = 9,
    SLUICE_SEND_ZERO_COPY = 10,
    SLUICE_SHARED_RING = 11,
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
    SLUICE_KIND_MEMORY = 8,
    SLUICE_KIND_RING = 9,
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
    SLUICE_LEASE_GONE = 0,
    SLUICE_LEASE_HELD = 1,
    SLUICE_LEASE_WANTED = 2,
};

enum {
    SLUICE_LOCK_NONE = 0,
    SLUICE_LOCK_SHARED = 1,
    SLUICE_LOCK_EXCLUSIVE = 2,
};

enum {
    SLUICE_REQUEST_DONTCACHE = 1,
    SLUICE_REQUEST_GIVE_WAY = 2,
    SLUICE_REQUEST_SETTLE = 4,
    SLUICE_REQUEST_WAIT_DATA = 8,
    SLUICE_REQUEST_WAIT_ROOM = 16,
    SLUICE_REQUEST_LAST = 32,
    SLUICE_REQUEST_HOLES = 64,
    SLUICE_REQUEST_ATTRIBUTES = 128,
    SLUICE_REQUEST_RESUME = 256,
};

enum {
    SLUICE_OPEN_READ = 1,
    SLUICE_OPEN_WRITE = 2,
    SLUICE_OPEN_CREATE = 4,
    SLUICE_OPEN_EXCLUSIVE = 8,
    SLUICE_OPEN_TRUNCATE = 16,
    SLUICE_OPEN_DIRECTORY = 32,
    SLUICE_OPEN_NO_FOLLOW = 64,
    SLUICE_OPEN_PATH = 128,
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

enum {
    SLUICE_COPY_UNTOLD = 0,
    SLUICE_COPY_NONE = 1,
    SLUICE_COPY_SOME = 2,
};

/* The shared ring: what two processes agree on. */
#define SLUICE_RING_MAGIC "SLUIRING"
enum { SLUICE_RING_VERSION = 1 };
enum {
    SLUICE_RING_AT_MAGIC = 0,
    SLUICE_RING_AT_VERSION = 8,
    SLUICE_RING_AT_HEADER_BYTES = 12,
    SLUICE_RING_AT_CAPACITY = 16,
    SLUICE_RING_AT_GENERATION = 24,
    SLUICE_RING_AT_CREATOR = 128,
    SLUICE_RING_AT_OPENER = 132,
    SLUICE_RING_AT_WRITER = 136,
    SLUICE_RING_AT_READER = 140,
    SLUICE_RING_AT_WRITTEN = 256,
    SLUICE_RING_AT_ENDED = 264,
    SLUICE_RING_AT_READ = 384,
    SLUICE_RING_AT_READER_WAITS = 512,
    SLUICE_RING_AT_WRITER_WAITS = 640,
    SLUICE_RING_AT_DATA = 65536,
};

enum {
    SLUICE_RING_ABSENT = 0,
    SLUICE_RING_HERE = 1,
    SLUICE_RING_CLOSED = 2,
};

enum {
    SLUICE_RING_LIMIT_LEAST = 65536,
    SLUICE_RING_LIMIT_MOST = 1073741824,
    SLUICE_RING_LIMIT_CHECK_MS = 100,
    SLUICE_RING_LIMIT_CHUNK = 262144,
};

/* Limits, in bytes. */
enum {
    SLUICE_INLINE_BYTES = 262144,
    SLUICE_INLINE_STREAM_BYTES = 1048576,
    SLUICE_INLINE_COPY_BYTES = 65536,
    SLUICE_TURN_BYTES = 2097152,
    SLUICE_PAIR_TURN_BYTES = 1048576,
    SLUICE_COPIED_MEMORY_BYTES = 65536,
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
    uint32_t copied;
    uint32_t held;
};
_Static_assert(sizeof(struct sluice_outcome) == 72, "sluice_outcome");

struct sluice_memory {
    int64_t length;
    uint32_t copy;
    uint32_t reserved;
};
_Static_assert(sizeof(struct sluice_memory) == 16, "sluice_memory");

struct sluice_outlet {
    int32_t fd;
    uint32_t capacity;
};
_Static_assert(sizeof(struct sluice_outlet) == 8, "sluice_outlet");

struct sluice_inspection {
    uint32_t kind;
    uint32_t flags;
    int64_t size;
    int64_t device;
    int64_t inode;
    int64_t mount;
    int64_t filesystem;
    int64_t blocks;
    int64_t known_device;
    int64_t known_mount;
    int64_t known_filesystem;
    uint32_t mode;
    uint32_t reserved;
    int64_t modified_ns;
    int64_t changed_ns;
};
_Static_assert(sizeof(struct sluice_inspection) == 104, "sluice_inspection");

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

struct sluice_ring_status {
    int64_t capacity;
    int64_t written;
    int64_t read;
    uint32_t ended;
    uint32_t other;
};
_Static_assert(sizeof(struct sluice_ring_status) == 32, "sluice_ring_status");

struct sluice_pipe_ends {
    int32_t reader;
    int32_t writer;
    uint32_t bytes;
    uint32_t reserved;
};
_Static_assert(sizeof(struct sluice_pipe_ends) == 16, "sluice_pipe_ends");

struct sluice_census {
    uint32_t contexts;
    uint32_t jobs;
    uint32_t workers;
    uint32_t blocking_workers;
    uint32_t pooled_pipes;
    uint32_t leases;
    uint32_t pairs;
    uint32_t relays;
    uint32_t rings;
    uint32_t ring_waits;
    uint32_t descriptors;
    uint32_t running;
    int64_t attempts;
    int64_t pairs_closed;
    int64_t pipe_bytes;
    int64_t mapped_bytes;
    int64_t ring_bytes;
    int64_t memory_bytes;
};
_Static_assert(sizeof(struct sluice_census) == 96, "sluice_census");

/* The errnos that JavaScript knows by name (core/abi/errno.ts) have these numbers here. */
_Static_assert(EPERM == 1, "EPERM");
_Static_assert(ENOENT == 2, "ENOENT");
_Static_assert(EINTR == 4, "EINTR");
_Static_assert(EIO == 5, "EIO");
_Static_assert(ENXIO == 6, "ENXIO");
_Static_assert(EBADF == 9, "EBADF");
_Static_assert(EAGAIN == 11, "EAGAIN");
_Static_assert(ENOMEM == 12, "ENOMEM");
_Static_assert(EACCES == 13, "EACCES");
_Static_assert(EFAULT == 14, "EFAULT");
_Static_assert(EBUSY == 16, "EBUSY");
_Static_assert(EEXIST == 17, "EEXIST");
_Static_assert(EXDEV == 18, "EXDEV");
_Static_assert(ENODEV == 19, "ENODEV");
_Static_assert(ENOTDIR == 20, "ENOTDIR");
_Static_assert(EISDIR == 21, "EISDIR");
_Static_assert(EINVAL == 22, "EINVAL");
_Static_assert(ENFILE == 23, "ENFILE");
_Static_assert(EMFILE == 24, "EMFILE");
_Static_assert(ENOTTY == 25, "ENOTTY");
_Static_assert(ETXTBSY == 26, "ETXTBSY");
_Static_assert(EFBIG == 27, "EFBIG");
_Static_assert(ENOSPC == 28, "ENOSPC");
_Static_assert(ESPIPE == 29, "ESPIPE");
_Static_assert(EROFS == 30, "EROFS");
_Static_assert(EMLINK == 31, "EMLINK");
_Static_assert(EPIPE == 32, "EPIPE");
_Static_assert(EDEADLK == 35, "EDEADLK");
_Static_assert(ENAMETOOLONG == 36, "ENAMETOOLONG");
_Static_assert(ENOLCK == 37, "ENOLCK");
_Static_assert(ENOSYS == 38, "ENOSYS");
_Static_assert(ENOTEMPTY == 39, "ENOTEMPTY");
_Static_assert(ELOOP == 40, "ELOOP");
_Static_assert(ENODATA == 61, "ENODATA");
_Static_assert(EBADMSG == 74, "EBADMSG");
_Static_assert(EOVERFLOW == 75, "EOVERFLOW");
_Static_assert(EILSEQ == 84, "EILSEQ");
_Static_assert(ENOTSOCK == 88, "ENOTSOCK");
_Static_assert(EMSGSIZE == 90, "EMSGSIZE");
_Static_assert(ENOPROTOOPT == 92, "ENOPROTOOPT");
_Static_assert(EOPNOTSUPP == 95, "EOPNOTSUPP");
_Static_assert(ENETDOWN == 100, "ENETDOWN");
_Static_assert(ENETUNREACH == 101, "ENETUNREACH");
_Static_assert(ECONNABORTED == 103, "ECONNABORTED");
_Static_assert(ECONNRESET == 104, "ECONNRESET");
_Static_assert(ENOBUFS == 105, "ENOBUFS");
_Static_assert(ENOTCONN == 107, "ENOTCONN");
_Static_assert(ETIMEDOUT == 110, "ETIMEDOUT");
_Static_assert(ECONNREFUSED == 111, "ECONNREFUSED");
_Static_assert(EHOSTUNREACH == 113, "EHOSTUNREACH");
_Static_assert(EALREADY == 114, "EALREADY");
_Static_assert(EINPROGRESS == 115, "EINPROGRESS");
_Static_assert(ESTALE == 116, "ESTALE");
_Static_assert(EDQUOT == 122, "EDQUOT");
_Static_assert(ECANCELED == 125, "ECANCELED");
_Static_assert(EOWNERDEAD == 130, "EOWNERDEAD");
_Static_assert(ENOTRECOVERABLE == 131, "ENOTRECOVERABLE");

/* Every function returns zero or a positive answer, or a negative errno. */

/* Fingerprint of the layout this library was built with. */
SLUICE_EXPORT int32_t sluice_abi_fingerprint(void);

/* 0 when the kernel has the strategy's system call, else -ENOSYS or -EPERM (asked with descriptors of -1). */
SLUICE_EXPORT int32_t sluice_probe(uint32_t strategy);

/* 1 where the kernel itself reads and writes without leaving pages behind (RWF_DONTCACHE), on filesystems that have it; else 0. */
SLUICE_EXPORT int32_t sluice_uncached_io(void);

/* Offload features of a network interface (SIOCETHTOOL). */
SLUICE_EXPORT int32_t sluice_interface(void *name, void *features);

/* Lets the process open so many files (RLIMIT_NOFILE, prlimit(2)); nothing changes where it may already. -EPERM where the hard limit is lower and the process lacks CAP_SYS_RESOURCE, or where that is more than /proc/sys/fs/nr_open. */
SLUICE_EXPORT int32_t sluice_allow_files(uint32_t wanted);

/* What the engine holds at this moment; for tests and diagnostics. */
SLUICE_EXPORT int32_t sluice_census(void *census);

/* Opens a context: where one isolate's outcomes go. */
SLUICE_EXPORT int32_t sluice_context_open(void);

/* The isolate's end of the wake-up socket: readable when there is something to reap. The caller owns it; closing it closes the context. */
SLUICE_EXPORT int32_t sluice_context_wake_fd(int32_t context);

/* The read end of a pipe, owned by the caller; when its last duplicate is closed, so is the context. For runtimes that leave the wake-up socket open when an isolate dies. */
SLUICE_EXPORT int32_t sluice_context_lifeline(int32_t context);

/* Cancels the context's jobs and frees it once they have ended. Nothing is notified any more. */
SLUICE_EXPORT int32_t sluice_context_close(int32_t context);

/* Duplicates both descriptors (F_DUPFD_CLOEXEC) into a new job and returns its handle. A ring of the context takes a descriptor's place by its handle, negated. */
SLUICE_EXPORT int32_t sluice_job_open(int32_t context, int32_t source, int32_t target);

/* A job whose source is memory (a record says how much): its bytes are copied, or used where they are, and then stay the caller's to keep until no outcome says that they are held. */
SLUICE_EXPORT int32_t sluice_job_open_memory(int32_t context, void *bytes, void *memory, int32_t target);

/* A job that gives all that its source has to each of `count` new pipes, of `capacity` bytes where the kernel allows it; fills in their read ends, to be closed by sluice_close. A pipe that nobody reads any more is left out. */
SLUICE_EXPORT int32_t sluice_job_open_tee(int32_t context, int32_t source, void *outlets, uint32_t count, uint32_t capacity);

/* Copies bytes that every pipe of an idle tee job gets before those of its source; once. No outcome counts them. */
SLUICE_EXPORT int32_t sluice_tee_feed(int32_t job, void *bytes, uint32_t length);

/* Index of the pipe that is full and holds up a tee job; -EAGAIN where it waits for none. */
SLUICE_EXPORT int32_t sluice_tee_blocked(int32_t job);

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

/* One bounded attempt on the calling thread that never waits: resident pages, room in the socket, or `blocked`. A head goes before them, in the same segment. */
SLUICE_EXPORT int32_t sluice_attempt(int32_t source, int32_t target, void *request, void *outcome, void *head, uint32_t head_length);

/* One bounded attempt on the calling thread to splice from a connection to another, or to a file in memory, that never waits. 0: it is over. Else the handle of an idle job: of one that is `blocked`, to be resumed, or of one that failed and holds what it could not deliver. -EAGAIN where such ends may wait. */
SLUICE_EXPORT int32_t sluice_job_attempt(int32_t context, int32_t source, int32_t target, void *request, void *outcome);

/* Reads a file at the request's offset, up to its length (at most SLUICE_INLINE_BYTES), if that waits for nothing: how many bytes, or a negative errno; -EAGAIN where a disk would have to be asked. */
SLUICE_EXPORT int32_t sluice_read_now(int32_t source, void *request, void *bytes);

/* One attempt between two regular files, run to its end on the calling thread, which waits for disks: for hosts that can't return promises. -EINVAL for other ends. */
SLUICE_EXPORT int32_t sluice_run(int32_t source, int32_t target, void *request, void *outcome);

/* One write to a socket that never waits (MSG_DONTWAIT): how many bytes it took. With `more`, they may share a segment with what follows (MSG_MORE). */
SLUICE_EXPORT int32_t sluice_send(int32_t socket, void *bytes, uint32_t length, uint32_t more);

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

/* Opens a path for reading that is resolved beneath a root folder and never leaves it (openat2, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS; Linux 5.6). With `cached`, -EAGAIN where a disk would have to be asked (RESOLVE_CACHED; 5.12). To be closed by sluice_close. */
SLUICE_EXPORT int32_t sluice_open_beneath(void *root, void *path, uint32_t cached);

/* Opens a path that is resolved beneath an open folder and never leaves it, as sluice_open_beneath does, by `openFlags`: for writing and creating, too (mode 0666 less the umask). To be closed by sluice_close. */
SLUICE_EXPORT int32_t sluice_open_at(int32_t folder, void *path, uint32_t flags);

/* 1 where closing the descriptor is sure to take no time (a regular file with a name, on a local filesystem), else 0. */
SLUICE_EXPORT int32_t sluice_closes_quickly(int32_t fd);

/* Describes what a descriptor is. */
SLUICE_EXPORT int32_t sluice_inspect(int32_t fd, void *inspection);

/* Whether this process may open what a descriptor names, which may be one of O_PATH (access(2)'s modes): 0, or why not where that can be told. */
SLUICE_EXPORT int32_t sluice_access(int32_t fd, uint32_t mode);

/* Duplicates a descriptor (F_DUPFD_CLOEXEC), to be closed by sluice_close: Deno's node:fs closes its own alone. */
SLUICE_EXPORT int32_t sluice_duplicate(int32_t fd);

/* Closes a descriptor that sluice_duplicate, sluice_open_beneath or sluice_context_lifeline gave. */
SLUICE_EXPORT int32_t sluice_close(int32_t fd);

/* Writes the descriptors (two i32) of the ends of a new connection: over TCP's loopback, or a pair of Unix sockets where there is none. Non-blocking, and the caller's. */
SLUICE_EXPORT int32_t sluice_socket_pair(void *ends);

/* The descriptor of a new file in memory that has these bytes (memfd_create(2), Linux 3.17). It is the caller's. */
SLUICE_EXPORT int32_t sluice_memory_file(void *bytes, uint32_t length);

/* shutdown(2): 0 for SHUT_RD, 1 for SHUT_WR, 2 for both. */
SLUICE_EXPORT int32_t sluice_shutdown(int32_t socket, uint32_t how);

/* Gives an unnamed temporary (O_TMPFILE) a name that must not exist yet (linkat). Of ".", -EEXIST says that it can be done. */
SLUICE_EXPORT int32_t sluice_publish(int32_t fd, void *path);

/* Gives a file another name, which must not exist yet (renameat2, RENAME_NOREPLACE; Linux 3.15). */
SLUICE_EXPORT int32_t sluice_rename_new(void *from, void *to);

/* 0 where nothing about the file itself is known to forbid a rename over its name; -EPERM: it is immutable or append-only; -EBUSY: something is mounted on it (statx; Linux 4.11). */
SLUICE_EXPORT int32_t sluice_is_replaceable(void *path);

/* Takes away a file that was made for nothing, by its descriptor and name. -EBUSY: the name is another file's now, or somebody has written to it, linked it, or has it open. */
SLUICE_EXPORT int32_t sluice_take_back(int32_t fd, void *path);

/* Sets a file's access and modification times, to the nanosecond (utimensat). */
SLUICE_EXPORT int32_t sluice_set_times(int32_t fd, void *times);

/* Locks, or unlocks, a range of a file (an extent; an end of -1 is wherever the file ends) for the open file description: F_OFD_SETLK, fcntl(2), Linux 3.15. Never waits: -EAGAIN where somebody else has it. */
SLUICE_EXPORT int32_t sluice_lock(int32_t fd, uint32_t type, void *range);

/* Takes a lease on a regular file (F_SETLEASE, fcntl(2)) and answers its handle. -EAGAIN: it is open in the way; -EACCES: not the owner, and no CAP_LEASE; -EINVAL: the filesystem has none. A lease that somebody wants broken is released after hold_ms, and in any case before the kernel takes it. */
SLUICE_EXPORT int32_t sluice_lease_open(int32_t context, int32_t fd, uint32_t type, uint32_t hold_ms);

/* Releases a lease, frees the handle and answers how it was (SLUICE_LEASE_GONE, _HELD, _WANTED). A break that was not told yet never will be. */
SLUICE_EXPORT int32_t sluice_lease_release(int32_t lease);

/* Takes up to `capacity` breaks of the context's leases and returns how many. Each lease has one. */
SLUICE_EXPORT int32_t sluice_lease_reap(int32_t context, void *breaks, uint32_t capacity);

/* Maps a range of a regular file under the SIGBUS guard, fills mapping.address and returns a handle. mapping.offset is a multiple of limits.map_alignment. The descriptor is duplicated. When the context goes, the mapping is made blank; context 0 never does. */
SLUICE_EXPORT int32_t sluice_map(int32_t context, int32_t fd, void *mapping);

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

/* Makes a ring of shared memory (memfd_create, sealed) for `bytes` of data, a power of two, and answers its handle. -ETIMEDOUT comes of whatever waits longer than attach_ms (0: for ever) for the other side to open it. */
SLUICE_EXPORT int32_t sluice_ring_create(int32_t context, uint32_t bytes, uint32_t attach_ms);

/* Opens a ring that somebody else has made, by a descriptor of it, and answers its handle. -EBADMSG: it is none; -EBUSY: it has two sides already. */
SLUICE_EXPORT int32_t sluice_ring_open(int32_t context, int32_t fd);

/* A descriptor of the ring's memory to hand out: the other side opens the ring by it. The ring's own until it is closed. */
SLUICE_EXPORT int32_t sluice_ring_fd(int32_t ring);

/* Copies bytes into the ring, as many as it has room for, and answers how many. -EAGAIN: none; -EBUSY: a job has the ring, or the other side writes; -EPIPE, -EOWNERDEAD, -ETIMEDOUT, -EBADMSG: nobody will read them. */
SLUICE_EXPORT int32_t sluice_ring_write(int32_t ring, void *bytes, uint32_t length);

/* Copies bytes out of the ring and answers how many; 0 at the end. -EAGAIN: none are there yet; -EBUSY; -ECONNRESET: closed before its end; -EOWNERDEAD, -ETIMEDOUT, -EBADMSG. */
SLUICE_EXPORT int32_t sluice_ring_read(int32_t ring, void *bytes, uint32_t capacity);

/* Fills in where the bytes to read next lie in the ring's data, without taking them, and answers 1; 0 at the end. Else as sluice_ring_read. */
SLUICE_EXPORT int32_t sluice_ring_peek(int32_t ring, void *extent);

/* Takes bytes that sluice_ring_peek has shown: their place may be written from now on. */
SLUICE_EXPORT int32_t sluice_ring_consume(int32_t ring, uint32_t length);

/* Says that no more will be written. */
SLUICE_EXPORT int32_t sluice_ring_end(int32_t ring);

/* What the ring's header says at this moment. */
SLUICE_EXPORT int32_t sluice_ring_status(int32_t ring, void *ring_status);

/* Opens a job that waits for the ring alone: see the request's flags wait_data and wait_room. */
SLUICE_EXPORT int32_t sluice_ring_job(int32_t ring);

/* Lets go of the ring, once its jobs have been closed, and tells the other side. */
SLUICE_EXPORT int32_t sluice_ring_close(int32_t ring);

/* Makes a pipe that never blocks, with room for as much of `bytes` as the system allows (F_SETPIPE_SZ; /proc/sys/fs/pipe-max-size). Both ends are to be closed by sluice_close. */
SLUICE_EXPORT int32_t sluice_pipe(uint32_t bytes, void *pipe_ends);

#endif
