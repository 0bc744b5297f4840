/*
 * What a worker works on: two ends, and the attempt that runs between them. Mechanisms know nothing else of a job:
 * neither its place in the table nor the engine's lock.
 */
#ifndef SLUICE_WORK_H
#define SLUICE_WORK_H

#include <stdatomic.h>

#include "end.h"
#include "pipes.h"

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
    TURN_FAILED, /* work->error says why */
};

enum residency {
    RESIDENCY_UNASKED, /* what the filesystem is has yet to be found out */
    RESIDENCY_COUNTED, /* count the pages before each turn */
    RESIDENCY_PROBED,  /* they can't be counted: try its ends */
    RESIDENCY_ALWAYS,  /* memory filesystems */
    RESIDENCY_NEVER,   /* can't be asked: assume a disk, or a server */
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
    uint32_t noticed; /* of these, how many the kernel has released */
};

struct tee;
struct work;

/* What a worker lends to the turn that it runs. */
struct lane {
    char *buffer;
    size_t buffer_size;
    bool may_block; /* on a disk, that is; nothing may wait for a peer */
    /*
     * Waits a moment for the end that a turn would wait for, where that may be worth it; true when it is ready. NULL:
     * never.
     */
    bool (*linger)(struct work *work, const struct lane *lane, enum turn turn);
};

typedef enum turn run_turn(struct work *work, struct lane *lane);

struct work {
    /* Atomic: of any thread. */
    _Atomic bool cancel;
    _Atomic int64_t moved; /* bytes delivered by this attempt */

    struct end source;
    struct end target;
    struct memory memory;
    struct tee *tee; /* what has several targets, each behind a pipe; else NULL */
    enum residency residency;
    uint32_t wants; /* bytes of room or data of a ring that are worth being woken for */

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
    int64_t stranded;
    int64_t syscalls;
    int64_t waits;
    int64_t cpu_ns;
};

/* Whether the source is read at an offset. */
static inline bool is_positioned(const struct work *work)
{
    return work->offset >= 0;
}

static inline bool is_complete(const struct work *work)
{
    return work->remaining == 0;
}

static inline bool is_cancelled(struct work *work)
{
    return atomic_load_explicit(&work->cancel, memory_order_relaxed);
}

/* How much to ask for: what is wanted still, at most `cap`. */
static inline size_t wanted(const struct work *work, int64_t cap)
{
    return (size_t)(work->remaining < 0 ? cap : min_i64(work->remaining, cap));
}

/* Accounts for bytes that reached the target. */
void work_advance(struct work *work, int64_t bytes);

/* Ends the turn with an errno (positive or negative) that is about one end. */
enum turn work_fail(struct work *work, int64_t error, uint32_t side);

/* Gives back a stream's bytes that could not be delivered. */
void work_discard(struct work *work);
/* Takes some of them: how many, or -errno. */
int32_t work_residue(struct work *work, char *bytes, uint32_t capacity);

/* What an answer of 0 from a stream source means: its end, or a FIFO without a writer yet. */
enum turn source_ended(struct work *work);

/* Whether reading the source now can't wait: asked of descriptors in blocking mode only. */
bool source_is_ready(struct work *work);

/* One read from the source that never waits for a peer: bytes, 0 at the end, or -errno. */
int64_t read_source(struct work *work, char *buffer, size_t length);

/*
 * Most bytes of one write to a file. Its new pages come in runs as long as the write, and the longest runs are memory
 * that a virtual machine may have given back to its host: then they cost ten times as much (docs/measurements.md).
 */
#define FILE_WRITE_BYTES (256 << 10)

/* What one call may give the target of `most` bytes. */
static inline int64_t at_once(const struct work *work, int64_t most)
{
    return work->target.kind == SLUICE_KIND_FILE ? min_i64(most, FILE_WRITE_BYTES) : most;
}

/* One write to the target that never waits for a peer: bytes, or -errno. */
int64_t write_target(struct work *work, const char *bytes, size_t length);

/* Writes the residue; TURN_DONE when none is left. */
enum turn flush_residue(struct work *work);

/* --- residency.c --- */

/* Whether pages for the source's next `length` bytes are in memory, as far as can be counted. */
bool is_cached(struct work *work, int64_t length);
/* Whether the source's next `length` bytes are in memory. */
bool is_resident(struct work *work, int64_t length);

/* --- linger.c --- */

/* Whether the end that a turn would wait for is likely to be ready in a moment. */
bool is_worth_waiting(struct work *work, const struct lane *lane, enum turn turn);
/* Waits that moment: whether it is ready. */
bool wait_briefly(struct work *work, enum turn turn);

#endif
