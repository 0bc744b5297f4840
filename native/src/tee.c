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
        tee_advance(job, n);
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
    enum turn begun = tee_give_head(job);
    if (begun != TURN_DONE) return begun;
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        size_t available = 0;
        if (is_complete(job)) return TURN_DONE;
        if (is_cancelled(job)) return TURN_CANCELLED;
        enum turn filled = fill_head(job, &available);
        if (filled != TURN_DONE) return filled;
        int64_t all = tee_give(job, available, give_by_tee);
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
    return tee_give_memory(job, outlet, job->residue + job->residue_at, available);
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
    enum turn begun = tee_give_head(job);
    if (begun != TURN_DONE) return begun;
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (job->pending == 0) {
            if (is_complete(job)) return TURN_DONE;
            if (is_cancelled(job)) return TURN_CANCELLED;
            enum turn filled = fill_buffer(job);
            if (filled != TURN_DONE) return filled;
        }
        int64_t all = tee_give(job, job->pending, give_by_write);
        if (all == -EAGAIN) return is_cancelled(job) ? TURN_CANCELLED : TURN_WAIT_TARGET;
        if (all < 0) return job_fail(job, all, SLUICE_SIDE_TARGET);
        job->residue_at += (size_t)all;
        job->pending -= (size_t)all;
        tee_advance(job, all);
        budget -= all;
    }
    return is_complete(job) ? TURN_DONE : TURN_AGAIN;
}
