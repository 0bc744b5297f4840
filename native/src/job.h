/* A job: two duplicated descriptors and the attempt that runs between them. */
#ifndef SLUICE_JOB_H
#define SLUICE_JOB_H

#include <stdatomic.h>

#include "../include/sluice.h"
#include "sys.h"
#include "table.h"

enum job_state {
    JOB_IDLE,    /* open, no attempt */
    JOB_WAITING, /* armed in epoll */
    JOB_QUEUED,  /* in the queue of a lane */
    JOB_RUNNING, /* one worker owns everything but `cancel`, `closing` and `moved` */
    JOB_ENDED,   /* in its context's list, waiting to be reaped */
};

/* What a turn came to. */
enum turn {
    TURN_AGAIN, /* its share is used up; more can be done */
    TURN_WAIT_SOURCE,
    TURN_WAIT_TARGET,
    TURN_WAIT_NOTICE, /* the kernel still refers to memory that was sent */
    TURN_COLD,        /* the next page would have to come from a disk */
    TURN_DONE,
    TURN_EOF,
    TURN_CANCELLED,
    TURN_FAILED, /* job->error says why */
};

struct ring;

/* One end of a job. */
struct end {
    int fd;
    uint32_t kind;    /* SLUICE_KIND_* */
    bool nonblocking; /* O_NONBLOCK on the open file description */
    bool pollable;
    bool registered;   /* in the epoll set */
    struct ring *ring; /* in a descriptor's place; else NULL */
};

enum residency {
    RESIDENCY_UNASKED, /* what the filesystem is has yet to be found out */
    RESIDENCY_COUNTED, /* count the pages before each turn */
    RESIDENCY_PROBED,  /* they can't be counted: try its ends */
    RESIDENCY_ALWAYS,  /* memory filesystems */
    RESIDENCY_NEVER,   /* can't be asked: assume a disk, or a server */
};

struct pipe_pair {
    int read_fd;
    int write_fd;
    int32_t size;
};

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x00000080 /* Linux 6.14 */
#endif

/* A source that is memory of the process, and what the kernel still refers to of it. Outlives an attempt. */
struct memory {
    const char *bytes; /* NULL: the job has another source */
    int64_t length;
    char *copy;       /* what is to be freed; NULL where the bytes are the caller's */
    bool has_notices; /* SO_ZEROCOPY is ours, so that every notice is about one of our sends */
    bool told;        /* there has been a notice */
    bool copied;      /* and one that said that the kernel copied after all */
    uint32_t sent;    /* with MSG_ZEROCOPY */
    uint32_t noticed; /* of these, how many the kernel has let go of */
};

struct tee;
struct job;
struct queue;

/* Room that a worker lends to the turn it runs. */
struct lane {
    char *buffer;
    size_t buffer_size;
    bool may_block; /* on a disk, that is; nothing may wait for a peer */
    /* Waits a moment for the end that a turn would wait for, where that may be worth it; true when it is ready. NULL: never. */
    bool (*linger)(struct job *job, const struct lane *lane, enum turn turn);
};

typedef void resume_job(struct job *job);

typedef enum turn run_turn(struct job *job, struct lane *lane);

struct job {
    /* Guarded by the engine's lock. */
    struct slot slot;
    enum job_state state;
    int32_t context;
    bool closing;
    struct job *next;
    struct job *previous;
    struct queue *queue; /* that it is in */
    resume_job *resume;  /* while it waits for a ring */

    _Atomic bool cancel;
    _Atomic int64_t moved; /* bytes delivered by this attempt */

    struct end source;
    struct end target;
    struct memory memory;
    struct tee *tee; /* what has several targets, each behind a pipe; else NULL */
    enum residency residency;
    struct ring *awaited; /* while it waits for a ring */
    uint32_t wants;       /* bytes of room or data that are worth waking it for */
    bool waits_only;      /* it has nothing to do but to wait */

    /* The attempt. Owned by the worker that runs it. */
    run_turn *run;
    run_turn *mechanism;   /* the same, or what it is wrapped around */
    bool keeps_holes;      /* it is run over the source's data alone */
    int64_t run_end;       /* of the run of data under the transfer */
    int64_t offset;        /* next byte of the source; -1: no positions */
    int64_t remaining;     /* bytes wanted still; -1: until the source ends */
    int64_t target_offset; /* next byte of the target; -1: its own position */
    struct pipe_pair pipe; /* splice; read_fd -1: none */
    char *residue;         /* bytes read from a stream and not written yet */
    size_t residue_at;
    size_t pending;              /* bytes in the pipe or the residue */
    bool gives_way;              /* another mechanism follows */
    bool is_last;                /* the job is over when this is done */
    bool is_stray;               /* no thread of the blocking lane could be had: it runs on the other */
    int refusal;                 /* errno to report once the residue is out */
    bool doubted;                /* splice(2) has said EAGAIN of the source, and bytes have not come since */
    int broken;                  /* the source's error, which it tells once, while there are bytes before it */
    struct direct *direct;       /* what direct_turn holds; else NULL */
    struct dontcache *dontcache; /* what dontcache_turn holds; else NULL */
    bool uncached_read;          /* ask the kernel to keep no pages of the source (RWF_DONTCACHE) */
    bool uncached_write;
    int error;
    uint32_t failed; /* SLUICE_SIDE_* */
    uint32_t end;
    int64_t stranded;
    int64_t syscalls;
    int64_t waits;
    int64_t cpu_ns;
};

/* The mechanism of an opcode, or NULL. */
run_turn *mechanism(uint32_t opcode);

/* The same for a source in memory, and for several targets. */
run_turn *memory_mechanism(uint32_t opcode);
run_turn *tee_mechanism(uint32_t opcode);

run_turn sendfile_turn, splice_turn, copy_file_range_turn, reflink_turn, mapped_turn, buffered_turn, direct_turn,
    ring_turn;

/* Runs the job's mechanism over the source's data, and leaves its holes. */
run_turn holes_turn;

/* Gives the target what the source has beyond bytes, owner and mode. */
run_turn attributes_turn;

/* Runs the job's mechanism and leaves the page cache as it was. */
run_turn dontcache_turn;
/* Drops what a cancelled attempt has left in the page cache. May wait for the disk of a file target. */
void dontcache_finish(struct job *job);

/* How a file's descriptor is closed here: closing.c. -1 is none. */
typedef void close_file(int fd);

/* Give back what such a turn holds, if anything. */
void direct_release(struct job *job, close_file *close_file);
void dontcache_release(struct job *job, close_file *close_file);

run_turn memory_turn, vmsplice_turn, zerocopy_turn, zerocopy_settle_turn, tee_turn, fan_out_turn;

/* Takes the kernel's notices; how many sends it still refers to. */
uint32_t zerocopy_held(struct job *job);
/* SLUICE_COPY_* of what was sent. */
uint32_t zerocopy_copied(const struct job *job);
/* Ends the counting; a connection that still refers to the memory is broken. */
void zerocopy_release(struct job *job);
/* A copy of memory that outlives its unmapping where the kernel refers to it; NULL where there is no memory. */
char *memory_copy_of(const char *bytes, int64_t length);
void memory_free_copy(char *copy, int64_t length);
/* Frees what the job holds of memory. */
void memory_release(struct job *job);

/* The pipe that a tee waits for. */
struct end *tee_blocked(struct tee *tee);
/* Calls `visit` for the ends of its pipes. */
void tee_each(struct tee *tee, void (*visit)(struct end *));
void tee_release(struct job *job);

/* Whether an end refuses splice(2) as such. */
static inline bool takes_no_splice(int64_t error)
{
    return error == -EINVAL || error == -ENOSYS || error == -EOPNOTSUPP;
}

/* Whether a socket says that its connection is no more. */
bool is_loss(int64_t error);

/* Fills the relay pipe, which is empty, from the source: TURN_DONE, and `pending` says with how much. */
enum turn splice_fill(struct job *job);

/* Reads the source at the job's place, never waiting for a peer: bytes, or -errno. */
int64_t read_source(struct job *job, char *buffer, size_t length);

/* Whether the kernel has RWF_DONTCACHE, and it can be trusted. */
bool has_uncached_io(void);

/* Prepares an opened job for an attempt. */
void job_prepare(struct job *job, const struct sluice_request *request, run_turn *run);

/* Gives back what an attempt holds beyond its descriptors, but for the bytes of a stream that it could not deliver. */
void job_settle(struct job *job, close_file *close_file);
/* Gives those back, too. */
void job_discard(struct job *job);
/* Takes some of them: how many, or -errno. */
int32_t job_residue(struct job *job, char *bytes, uint32_t capacity);

/* SLUICE_KIND_* of a st_mode. */
uint32_t fd_kind(uint32_t mode);

/* Describes a descriptor as an end; -errno when it is none. */
int end_describe(struct end *end, int fd);

/* Bytes that the end has taken and not passed on yet; -EPIPE when nobody is there to take them. */
int32_t end_outstanding(const struct end *end);

/* Whether the source is read at an offset. */
static inline bool is_positioned(const struct job *job)
{
    return job->offset >= 0;
}

static inline bool is_complete(const struct job *job)
{
    return job->remaining == 0;
}

static inline bool is_cancelled(struct job *job)
{
    return atomic_load_explicit(&job->cancel, memory_order_relaxed);
}

/* How much to ask for: what is wanted still, at most `cap`. */
static inline size_t wanted(const struct job *job, int64_t cap)
{
    return (size_t)(job->remaining < 0 ? cap : min_i64(job->remaining, cap));
}

/* Accounts for bytes that reached the target. */
void job_advance(struct job *job, int64_t bytes);

/* Ends the turn with an errno (positive or negative) that is about one end. */
enum turn job_fail(struct job *job, int64_t error, uint32_t side);

/* What an answer of 0 from a stream source means: its end, or a FIFO that nobody has opened yet. */
enum turn source_ended(struct job *job);

/* Whether poll(2) finds the descriptor ready now. */
bool is_ready(struct job *job, int fd, short events);

/* TCP_ESTABLISHED and its like, or -errno where it is no socket of TCP (inspect.c). */
int tcp_state(int fd);

/* Whether reading the source now can't wait: asked of descriptors in blocking mode only. */
bool source_is_ready(struct job *job);

/* One read from the source that never waits for a peer: bytes, 0 at the end, or -errno. */
int64_t read_source(struct job *job, char *buffer, size_t length);

/* Writes the residue; TURN_DONE when none is left. */
enum turn flush_residue(struct job *job);

/*
 * Most bytes of one write to a file. Its new pages come in runs as long as the write, and the longest runs are memory
 * that a virtual machine may have given back to its host: then they cost ten times as much (docs/measurements.md).
 */
#define FILE_WRITE_BYTES (256 << 10)

/* What one call may give the target of `most` bytes. */
static inline int64_t at_once(const struct job *job, int64_t most)
{
    return job->target.kind == SLUICE_KIND_FILE ? min_i64(most, FILE_WRITE_BYTES) : most;
}

/* One write to the target that never waits for a peer: bytes, or -errno. */
int64_t write_target(struct job *job, const char *bytes, size_t length);

/* Whether the end that a turn would wait for is likely to be ready in a moment, and that wait itself (linger.c). */
bool is_worth_waiting(struct job *job, const struct lane *lane, enum turn turn);
bool wait_briefly(struct job *job, enum turn turn);

/* Whether pages for the source's next `length` bytes are in memory, as far as can be counted. */
bool is_cached(struct job *job, int64_t length);

/* Whether the source's next `length` bytes are in memory. */
bool is_resident(struct job *job, int64_t length);

int pipe_acquire(struct pipe_pair *pipe);
/* Keeps the pipe for the next job if it is empty, else closes it: a pipe with bytes is never reused. */
void pipe_release(struct pipe_pair *pipe, bool empty);
uint32_t pipes_pooled(void);

#endif
