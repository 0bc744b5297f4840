/*
 * splice(2): page references through a pipe. Directly where an end is a pipe itself, else relayed
 * through one of ours, which is empty whenever it is filled: so EAGAIN from the filling side can
 * only mean an empty source, and EAGAIN from the draining side a full target.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#include "job.h"

static int64_t splice_once(struct job *job, int from, int64_t *from_offset, int to, int64_t *to_offset, size_t length,
                           unsigned flags)
{
    job->syscalls++;
    return SYS(splice, from, from_offset, to, to_offset, length, SPLICE_F_NONBLOCK | SPLICE_F_MOVE | flags);
}

/* EAGAIN with a pipe at either end may be the source's or the target's. */
static enum turn wait_for_either(struct job *job)
{
    if (is_positioned(job)) return TURN_WAIT_TARGET;
    return is_ready(job, job->source.fd, POLLIN) ? TURN_WAIT_TARGET : TURN_WAIT_SOURCE;
}

static enum turn splice_direct(struct job *job)
{
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (is_complete(job)) return TURN_DONE;
        if (is_cancelled(job)) return TURN_CANCELLED;
        if (!is_positioned(job) && !source_is_ready(job)) return TURN_WAIT_SOURCE;
        int64_t from = job->offset, to = job->target_offset;
        int64_t n = splice_once(job, job->source.fd, from < 0 ? NULL : &from, job->target.fd, to < 0 ? NULL : &to,
                                wanted(job, at_once(job, budget)), 0);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return wait_for_either(job);
        if (n < 0) return job_fail(job, n, SLUICE_SIDE_NONE);
        if (n == 0) return is_positioned(job) ? TURN_EOF : source_ended(job);
        job_advance(job, n);
        budget -= n;
    }
    return is_complete(job) ? TURN_DONE : TURN_AGAIN;
}

/* The target takes no splice: what a stream has already put into the pipe goes out by write. */
static enum turn rescue(struct job *job, int64_t refusal)
{
    if (is_positioned(job)) return job_fail(job, refusal, SLUICE_SIDE_TARGET);
    job->residue = malloc(job->pending);
    if (!job->residue) return job_fail(job, -ENOMEM, SLUICE_SIDE_NONE);
    job->residue_at = 0;
    for (size_t at = 0; at < job->pending;) {
        job->syscalls++;
        int64_t n = SYS(read, job->pipe.read_fd, job->residue + at, job->pending - at);
        if (n == -EINTR) continue;
        if (n <= 0) return job_fail(job, n == 0 ? EIO : n, SLUICE_SIDE_NONE);
        at += (size_t)n;
    }
    pipe_release(&job->pipe, true);
    job->refusal = (int)-refusal;
    return flush_residue(job);
}

static enum turn drain(struct job *job)
{
    while (job->pending > 0) {
        if (is_cancelled(job)) return TURN_CANCELLED;
        /* SPLICE_F_MORE holds back a short segment: only while more bytes are certain to follow. */
        bool more = is_positioned(job) && job->remaining > (int64_t)job->pending;
        int64_t to = job->target_offset;
        int64_t n = splice_once(job, job->pipe.read_fd, NULL, job->target.fd, to < 0 ? NULL : &to, job->pending,
                                more ? SPLICE_F_MORE : 0);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_TARGET;
        if (n == -EINVAL || n == -ENOSYS || n == -EOPNOTSUPP) return rescue(job, n);
        if (n < 0) return job_fail(job, n, SLUICE_SIDE_TARGET);
        if (n == 0) return job_fail(job, EIO, SLUICE_SIDE_TARGET);
        job->pending -= (size_t)n;
        job_advance(job, n);
    }
    return TURN_DONE;
}

enum turn splice_fill(struct job *job)
{
    if (!is_positioned(job) && !source_is_ready(job)) return TURN_WAIT_SOURCE;
    if (job->pipe.read_fd < 0) {
        int failed = pipe_acquire(&job->pipe);
        if (failed < 0) return job_fail(job, failed, SLUICE_SIDE_NONE);
    }
    int64_t from = job->offset;
    int64_t n;
    do
        n = splice_once(job, job->source.fd, from < 0 ? NULL : &from, job->pipe.write_fd, NULL,
                        wanted(job, at_once(job, job->pipe.size)), 0);
    while (n == -EINTR);
    if (n > 0) {
        job->pending = (size_t)n;
        return TURN_DONE;
    }
    /* An idle stream keeps no pipe: ten thousand of them would pin ten thousand megabytes' worth. */
    pipe_release(&job->pipe, true);
    if (n == -EAGAIN) return TURN_WAIT_SOURCE;
    if (n < 0) return job_fail(job, n, SLUICE_SIDE_SOURCE);
    return is_positioned(job) ? TURN_EOF : source_ended(job);
}

static enum turn splice_relayed(struct job *job)
{
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (job->residue) return flush_residue(job);
        if (job->pending == 0) {
            if (is_complete(job)) return TURN_DONE;
            if (is_cancelled(job)) return TURN_CANCELLED;
            enum turn filled = splice_fill(job);
            if (filled != TURN_DONE) return filled;
        }
        budget -= (int64_t)job->pending;
        enum turn drained = drain(job);
        if (drained != TURN_DONE) return drained;
    }
    return is_complete(job) ? TURN_DONE : TURN_AGAIN;
}

enum turn splice_turn(struct job *job, struct lane *lane)
{
    (void)lane;
    bool direct = job->source.kind == SLUICE_KIND_PIPE || job->target.kind == SLUICE_KIND_PIPE;
    return direct ? splice_direct(job) : splice_relayed(job);
}
