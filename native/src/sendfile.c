/* sendfile(2): page-cache pages straight to the target. */
#include "mechanisms.h"

/* Errnos that speak of the file, or of the pair, and not of a broken socket. */
static uint32_t side_of(const struct work *work, int64_t error)
{
    bool either = error == -EIO || error == -EINVAL || error == -EBADF || error == -EOVERFLOW;
    return work->target.kind == SLUICE_KIND_SOCKET && !either ? SLUICE_SIDE_TARGET : SLUICE_SIDE_NONE;
}

enum turn sendfile_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (is_complete(work)) return TURN_DONE;
        if (is_cancelled(work)) return TURN_CANCELLED;
        size_t count = wanted(work, budget);
        int64_t at = work->offset;
        work->syscalls++;
        int64_t n = SYS(sendfile, work->target.fd, work->source.fd, &at, count);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_TARGET;
        if (n < 0) return work_fail(work, n, side_of(work, n));
        if (n == 0) return TURN_EOF;
        work_advance(work, n);
        budget -= n;
        /* A short count on a socket means that it is full: waiting at once saves a call that would say EAGAIN. */
        if ((size_t)n < count && work->target.pollable) return TURN_WAIT_TARGET;
    }
    return is_complete(work) ? TURN_DONE : TURN_AGAIN;
}
