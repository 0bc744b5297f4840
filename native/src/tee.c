/*
 * One source to several targets. Each target has a pipe of its own, from which an ordinary job serves it; here the
 * pipes are filled. tee(2) duplicates page references from the head of one pipe into another without taking them, and
 * always begins at the head: so an outlet that took less than the others is served again only when the head has come
 * to where it stopped. `ahead` is how far each has come beyond the head; the head moves on by the least of these.
 * Every outlet thereby gets every byte once and in order, whatever is cut short.
 */
#include "tee.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "mechanisms.h"

#define FAN_OUT_BYTES (256 * 1024)

/* --- tee(2) --- */

static int head_of(const struct work *work)
{
    return work->source.kind == SLUICE_KIND_PIPE ? work->source.fd : work->pipe.read_fd;
}

/* tee(2) begins at the head: an outlet that is ahead of it would get bytes twice. */
static int64_t give_by_tee(struct work *work, struct outlet *outlet, size_t available)
{
    if (outlet->ahead > 0) return 0;
    int64_t n;
    do {
        work->syscalls++;
        n = SYS(tee, head_of(work), outlet->end.fd, available, SPLICE_F_NONBLOCK);
    } while (n == -EINTR);
    return n;
}

/* Bytes at the head; TURN_DONE where there are some, else what to do. */
static enum turn fill_head(struct work *work, size_t *available)
{
    if (work->source.kind == SLUICE_KIND_PIPE) {
        int bytes = 0;
        work->syscalls++;
        int64_t failed = SYS(ioctl, work->source.fd, FIONREAD, &bytes);
        if (failed < 0) return work_fail(work, failed, SLUICE_SIDE_SOURCE);
        if (bytes == 0) return source_ended(work);
        *available = wanted(work, bytes);
        return TURN_DONE;
    }
    if (work->pending == 0) {
        enum turn filled = splice_fill(work);
        if (filled != TURN_DONE) return filled;
    }
    *available = work->pending;
    return TURN_DONE;
}

/* Takes from the head what all outlets have. */
static enum turn take_head(struct work *work, int64_t bytes)
{
    for (int64_t at = 0; at < bytes;) {
        work->syscalls++;
        int64_t n = SYS(splice, head_of(work), NULL, work->tee->sink, NULL, (size_t)(bytes - at), SPLICE_F_NONBLOCK);
        if (n == -EINTR) continue;
        if (n <= 0) return work_fail(work, n == 0 ? EIO : n, SLUICE_SIDE_NONE);
        at += n;
        if (work->pending > 0) work->pending -= (size_t)n;
        tee_advance(work, n);
    }
    return TURN_DONE;
}

static int open_sink(struct tee *tee)
{
    if (tee->sink >= 0) return 0;
    int64_t sink = keep_fd(SYS(openat, AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC, 0));
    if (sink >= 0) tee->sink = (int)sink;
    return sink < 0 ? (int)sink : 0;
}

enum turn tee_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    int failed = open_sink(work->tee);
    /* No /dev/null in this jail: another mechanism can do without. */
    if (failed < 0) return work_fail(work, ENOSYS, SLUICE_SIDE_NONE);
    enum turn begun = tee_give_head(work);
    if (begun != TURN_DONE) return begun;
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        size_t available = 0;
        if (is_complete(work)) return TURN_DONE;
        if (is_cancelled(work)) return TURN_CANCELLED;
        enum turn filled = fill_head(work, &available);
        if (filled != TURN_DONE) return filled;
        int64_t all = tee_give(work, available, give_by_tee);
        if (all == -EAGAIN) return TURN_WAIT_TARGET;
        if (all < 0) return work_fail(work, all, SLUICE_SIDE_TARGET);
        enum turn taken = take_head(work, all);
        if (taken != TURN_DONE) return taken;
        budget -= all;
    }
    return is_complete(work) ? TURN_DONE : TURN_AGAIN;
}

/* --- read(2) and write(2) --- */

static int64_t give_by_write(struct work *work, struct outlet *outlet, size_t available)
{
    return tee_give_memory(work, outlet, work->residue + work->residue_at, available);
}

static enum turn fill_buffer(struct work *work)
{
    if (!work->residue) work->residue = malloc(FAN_OUT_BYTES);
    if (!work->residue) return work_fail(work, -ENOMEM, SLUICE_SIDE_NONE);
    int64_t n;
    do
        n = read_source(work, work->residue, wanted(work, FAN_OUT_BYTES));
    while (n == -EINTR);
    if (n == -EAGAIN) return TURN_WAIT_SOURCE;
    if (n < 0) return work_fail(work, n, SLUICE_SIDE_SOURCE);
    if (n == 0) return source_ended(work);
    work->residue_at = 0;
    work->pending = (size_t)n;
    return TURN_DONE;
}

enum turn fan_out_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    enum turn begun = tee_give_head(work);
    if (begun != TURN_DONE) return begun;
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (work->pending == 0) {
            if (is_complete(work)) return TURN_DONE;
            if (is_cancelled(work)) return TURN_CANCELLED;
            enum turn filled = fill_buffer(work);
            if (filled != TURN_DONE) return filled;
        }
        int64_t all = tee_give(work, work->pending, give_by_write);
        if (all == -EAGAIN) return is_cancelled(work) ? TURN_CANCELLED : TURN_WAIT_TARGET;
        if (all < 0) return work_fail(work, all, SLUICE_SIDE_TARGET);
        work->residue_at += (size_t)all;
        work->pending -= (size_t)all;
        tee_advance(work, all);
        budget -= all;
    }
    return is_complete(work) ? TURN_DONE : TURN_AGAIN;
}
