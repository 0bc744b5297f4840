/* sendfile(2): page-cache pages straight to the target. */
#include "job.h"

/* Errnos that speak of the file, or of the pair, and not of a broken socket. */
static uint32_t side_of(const struct job *job, int64_t error)
{
    bool either = error == -EIO || error == -EINVAL || error == -EBADF || error == -EOVERFLOW;
    return job->target.kind == SLUICE_KIND_SOCKET && !either ? SLUICE_SIDE_TARGET : SLUICE_SIDE_NONE;
}

enum turn sendfile_turn(struct job *job, struct lane *lane)
{
    (void)lane;
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (is_complete(job)) return TURN_DONE;
        if (is_cancelled(job)) return TURN_CANCELLED;
        size_t count = wanted(job, budget);
        int64_t at = job->offset;
        job->syscalls++;
        int64_t n = SYS(sendfile, job->target.fd, job->source.fd, &at, count);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_TARGET;
        if (n < 0) return job_fail(job, n, side_of(job, n));
        if (n == 0) return TURN_EOF;
        job_advance(job, n);
        budget -= n;
        /* A short count on a socket means that it is full: waiting at once saves a call that would say EAGAIN. */
        if ((size_t)n < count && job->target.pollable) return TURN_WAIT_TARGET;
    }
    return is_complete(job) ? TURN_DONE : TURN_AGAIN;
}
