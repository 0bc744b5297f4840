/*
 * One source to several targets. Each target has a pipe of its own, from which an ordinary job serves it; here the pipes
 * are filled. tee(2) duplicates page references from the head of one pipe into another without taking them, and always
 * begins at the head: so an outlet that took less than the others is served again only when the head has come to where
 * it stopped. `ahead` is how far each has come beyond the head; the head moves on by the least of these. Every outlet
 * thereby gets every byte once and in order, whatever is cut short.
 */
#include "tee.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define FAN_OUT_BYTES (256 * 1024)

struct outlet {
    struct end end; /* -1: nobody reads it any more */
    size_t ahead;
};

struct tee {
    char *head; /* what every outlet gets before the source's bytes; NULL: nothing, or no more */
    size_t head_size;
    size_t head_at;
    int sink; /* /dev/null: takes what all outlets have, without looking at it; -1 until needed */
    uint32_t count;
    uint32_t blocked; /* the outlet that has least */
    bool full;        /* and takes no more */
    struct outlet outlets[];
};

static void outlet_close(struct end *end)
{
    close_fd(&end->fd);
    end->registered = false; /* close(2) of the only descriptor takes it out of the epoll set */
}

static int outlet_open(struct outlet *outlet, struct sluice_outlet *theirs, uint32_t capacity)
{
    int fds[2];
    int64_t failed = SYS(pipe2, fds, O_CLOEXEC | O_NONBLOCK);
    if (failed < 0) return (int)failed;
    /* EPERM past /proc/sys/fs/pipe-max-size or pipe-user-pages-soft: then it stays as it is. */
    int64_t size = SYS(fcntl, fds[1], F_SETPIPE_SZ, capacity);
    if (size < 0) size = SYS(fcntl, fds[1], F_GETPIPE_SZ);
    outlet->end = (struct end){.fd = fds[1], .kind = SLUICE_KIND_PIPE, .nonblocking = true, .pollable = true};
    *theirs = (struct sluice_outlet){.fd = fds[0], .capacity = (uint32_t)(size > 0 ? size : 65536)};
    return 0;
}

int tee_open(struct tee **opened, struct sluice_outlet *outlets, uint32_t count, uint32_t capacity)
{
    struct tee *tee = calloc(1, sizeof *tee + count * sizeof *tee->outlets);
    if (!tee) return -ENOMEM;
    tee->sink = -1;
    for (; tee->count < count; tee->count++) {
        int failed = outlet_open(&tee->outlets[tee->count], &outlets[tee->count], capacity);
        if (failed == 0) continue;
        for (uint32_t i = 0; i < tee->count; i++) {
            outlet_close(&tee->outlets[i].end);
            SYS(close, outlets[i].fd);
        }
        free(tee);
        return failed;
    }
    *opened = tee;
    return 0;
}

int tee_feed(struct tee *tee, const char *bytes, uint32_t length)
{
    if (tee->head) return -EBUSY;
    if (length == 0) return 0;
    tee->head = malloc(length);
    if (!tee->head) return -ENOMEM;
    memcpy(tee->head, bytes, length);
    tee->head_size = length;
    tee->head_at = 0;
    return 0;
}

bool tee_has_head(const struct job *job)
{
    return job->tee && job->tee->head;
}

struct end *tee_blocked(struct tee *tee)
{
    /* One that was left out meanwhile is waited for no more; where none is left, arming it tells. */
    for (uint32_t i = 0; i < tee->count && tee->outlets[tee->blocked].end.fd < 0; i++)
        tee->blocked = i;
    return &tee->outlets[tee->blocked].end;
}

int32_t tee_waits_for(const struct job *job)
{
    if (!job->tee) return -EINVAL;
    return job->state == JOB_WAITING && job->tee->full ? (int32_t)job->tee->blocked : -EAGAIN;
}

void tee_each(struct tee *tee, void (*visit)(struct end *))
{
    for (uint32_t i = 0; i < tee->count; i++)
        visit(&tee->outlets[i].end);
}

void tee_release(struct job *job)
{
    if (!job->tee) return;
    tee_each(job->tee, outlet_close);
    close_fd(&job->tee->sink);
    free(job->tee->head);
    free(job->tee);
    job->tee = NULL;
}

run_turn *tee_mechanism(uint32_t opcode)
{
    switch (opcode) {
    case SLUICE_TEE: return tee_turn;
    case SLUICE_BUFFERED: return fan_out_turn;
    default: return NULL;
    }
}

/* How a mechanism gives an outlet more of what is at the head, from `ahead` on: bytes, or -errno. */
typedef int64_t give(struct job *job, struct outlet *outlet, size_t available);

/*
 * Gives every outlet what it takes of `available` bytes at the head, and answers how many of them all have now;
 * -EAGAIN where one that is full has none, -EPIPE where no outlet is left.
 */
static int64_t give_all(struct job *job, size_t available, give *one)
{
    struct tee *tee = job->tee;
    int64_t least = -EPIPE;
    for (uint32_t i = 0; i < tee->count; i++) {
        struct outlet *outlet = &tee->outlets[i];
        if (outlet->end.fd < 0) continue;
        int64_t n = one(job, outlet, available);
        if (n == -EPIPE) {
            outlet_close(&outlet->end);
            continue;
        }
        if (n < 0 && n != -EAGAIN) return n;
        if (n > 0) outlet->ahead += (size_t)n;
        if (least >= 0 && (int64_t)outlet->ahead >= least) continue;
        least = (int64_t)outlet->ahead;
        tee->blocked = i;
    }
    tee->full = least == 0;
    return tee->full ? -EAGAIN : least;
}

/* All outlets have these bytes. */
static void fall_back(struct tee *tee, int64_t bytes)
{
    for (uint32_t i = 0; i < tee->count; i++)
        if (tee->outlets[i].end.fd >= 0) tee->outlets[i].ahead -= (size_t)bytes;
}

/* The head moves on. */
static void move_on(struct job *job, int64_t bytes)
{
    fall_back(job->tee, bytes);
    job_advance(job, bytes);
}

/* Gives an outlet more of `available` bytes in memory. */
static int64_t give_memory(struct job *job, struct outlet *outlet, const char *bytes, size_t available)
{
    if (outlet->ahead == available) return 0;
    int64_t n;
    do {
        job->syscalls++;
        n = SYS(write, outlet->end.fd, bytes + outlet->ahead, available - outlet->ahead);
    } while (n == -EINTR);
    return n;
}

/* --- what comes before the source --- */

static int64_t give_head(struct job *job, struct outlet *outlet, size_t available)
{
    return give_memory(job, outlet, job->tee->head + job->tee->head_at, available);
}

/* TURN_DONE when every outlet has it. Its bytes are not the source's, and not counted as such. */
static enum turn give_all_heads(struct job *job)
{
    struct tee *tee = job->tee;
    while (tee->head) {
        if (is_cancelled(job)) return TURN_CANCELLED;
        int64_t all = give_all(job, tee->head_size - tee->head_at, give_head);
        if (all == -EAGAIN) return TURN_WAIT_TARGET;
        if (all < 0) return job_fail(job, all, SLUICE_SIDE_TARGET);
        fall_back(tee, all);
        tee->head_at += (size_t)all;
        if (tee->head_at < tee->head_size) continue;
        free(tee->head);
        tee->head = NULL;
    }
    return TURN_DONE;
}

/* --- tee(2) --- */

static int head_of(const struct job *job)
{
    return job->source.kind == SLUICE_KIND_PIPE ? job->source.fd : job->pipe.read_fd;
}

/* tee(2) begins at the head: an outlet that is ahead of it would get bytes twice. */
static int64_t give_by_tee(struct job *job, struct outlet *outlet, size_t available)
{
    if (outlet->ahead > 0) return 0;
    int64_t n;
    do {
        job->syscalls++;
        n = SYS(tee, head_of(job), outlet->end.fd, available, SPLICE_F_NONBLOCK);
    } while (n == -EINTR);
    return n;
}

/* Bytes at the head; TURN_DONE where there are some, else what to do. */
static enum turn fill_head(struct job *job, size_t *available)
{
    if (job->source.kind == SLUICE_KIND_PIPE) {
        int bytes = 0;
        job->syscalls++;
        int64_t failed = SYS(ioctl, job->source.fd, FIONREAD, &bytes);
        if (failed < 0) return job_fail(job, failed, SLUICE_SIDE_SOURCE);
        if (bytes == 0) return source_ended(job);
        *available = wanted(job, bytes);
        return TURN_DONE;
    }
    if (job->pending == 0) {
        enum turn filled = splice_fill(job);
        if (filled != TURN_DONE) return filled;
    }
    *available = job->pending;
    return TURN_DONE;
}

/* Takes from the head what all outlets have. */
static enum turn take_head(struct job *job, int64_t bytes)
{
    for (int64_t at = 0; at < bytes;) {
        job->syscalls++;
        int64_t n = SYS(splice, head_of(job), NULL, job->tee->sink, NULL, (size_t)(bytes - at), SPLICE_F_NONBLOCK);
        if (n == -EINTR) continue;
        if (n <= 0) return job_fail(job, n == 0 ? EIO : n, SLUICE_SIDE_NONE);
        at += n;
        if (job->pending > 0) job->pending -= (size_t)n;
        move_on(job, n);
    }
    return TURN_DONE;
}

static int open_sink(struct tee *tee)
{
    if (tee->sink >= 0) return 0;
    int64_t sink = SYS(openat, AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC, 0);
    if (sink >= 0) tee->sink = (int)sink;
    return sink < 0 ? (int)sink : 0;
}

enum turn tee_turn(struct job *job, struct lane *lane)
{
    (void)lane;
    int failed = open_sink(job->tee);
    /* No /dev/null in this jail: another mechanism can do without. */
    if (failed < 0) return job_fail(job, ENOSYS, SLUICE_SIDE_NONE);
    enum turn begun = give_all_heads(job);
    if (begun != TURN_DONE) return begun;
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        size_t available = 0;
        if (is_complete(job)) return TURN_DONE;
        if (is_cancelled(job)) return TURN_CANCELLED;
        enum turn filled = fill_head(job, &available);
        if (filled != TURN_DONE) return filled;
        int64_t all = give_all(job, available, give_by_tee);
        if (all == -EAGAIN) return TURN_WAIT_TARGET;
        if (all < 0) return job_fail(job, all, SLUICE_SIDE_TARGET);
        enum turn taken = take_head(job, all);
        if (taken != TURN_DONE) return taken;
        budget -= all;
    }
    return is_complete(job) ? TURN_DONE : TURN_AGAIN;
}

/* --- read(2) and write(2) --- */

static int64_t give_by_write(struct job *job, struct outlet *outlet, size_t available)
{
    return give_memory(job, outlet, job->residue + job->residue_at, available);
}

static enum turn fill_buffer(struct job *job)
{
    if (!job->residue) job->residue = malloc(FAN_OUT_BYTES);
    if (!job->residue) return job_fail(job, -ENOMEM, SLUICE_SIDE_NONE);
    int64_t n;
    do
        n = read_source(job, job->residue, wanted(job, FAN_OUT_BYTES));
    while (n == -EINTR);
    if (n == -EAGAIN) return TURN_WAIT_SOURCE;
    if (n < 0) return job_fail(job, n, SLUICE_SIDE_SOURCE);
    if (n == 0) return source_ended(job);
    job->residue_at = 0;
    job->pending = (size_t)n;
    return TURN_DONE;
}

enum turn fan_out_turn(struct job *job, struct lane *lane)
{
    (void)lane;
    enum turn begun = give_all_heads(job);
    if (begun != TURN_DONE) return begun;
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (job->pending == 0) {
            if (is_complete(job)) return TURN_DONE;
            if (is_cancelled(job)) return TURN_CANCELLED;
            enum turn filled = fill_buffer(job);
            if (filled != TURN_DONE) return filled;
        }
        int64_t all = give_all(job, job->pending, give_by_write);
        if (all == -EAGAIN) return is_cancelled(job) ? TURN_CANCELLED : TURN_WAIT_TARGET;
        if (all < 0) return job_fail(job, all, SLUICE_SIDE_TARGET);
        job->residue_at += (size_t)all;
        job->pending -= (size_t)all;
        move_on(job, all);
        budget -= all;
    }
    return is_complete(job) ? TURN_DONE : TURN_AGAIN;
}
