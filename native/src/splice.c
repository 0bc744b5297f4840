/*
 * splice(2): page references through a pipe. Directly where an end is a pipe itself, else relayed through one of
 * ours, which is empty whenever it is filled: so EAGAIN from the filling side is about the source, and EAGAIN from
 * the draining side about the target.
 *
 * At the mark of TCP's urgent data splice(2) stops: it answers EAGAIN as if the queue were empty, 0 once the peer has
 * ended, and ahead of the bytes behind the mark an error of the connection, which the kernel tells once. recv(2) goes
 * past the mark, and its 0 is an end. So a socket that gives splice(2) nothing is asked by recv(2) before that is
 * believed.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "mechanisms.h"

static int64_t splice_once(struct work *work, int from, int64_t *from_offset, int to, int64_t *to_offset, size_t length,
                           unsigned flags)
{
    work->syscalls++;
    return SYS(splice, from, from_offset, to, to_offset, length, SPLICE_F_NONBLOCK | SPLICE_F_MOVE | flags);
}

/* The target takes no splice: what a stream has already put into the pipe goes out by write. */
static enum turn rescue(struct work *work, int64_t refusal)
{
    if (is_positioned(work)) return work_fail(work, refusal, SLUICE_SIDE_TARGET);
    work->residue = malloc(work->pending);
    if (!work->residue) return work_fail(work, -ENOMEM, SLUICE_SIDE_NONE);
    work->residue_at = 0;
    for (size_t at = 0; at < work->pending;) {
        work->syscalls++;
        int64_t n = SYS(read, work->pipe.read_fd, work->residue + at, work->pending - at);
        if (n == -EINTR) continue;
        if (n <= 0) return work_fail(work, n == 0 ? EIO : n, SLUICE_SIDE_NONE);
        at += (size_t)n;
    }
    pipe_release(&work->pipe, true);
    /* Another mechanism would not hear again of a connection's error. */
    work->refusal = work->broken ? work->broken : (int)-refusal;
    return flush_residue(work);
}

static enum turn drain(struct work *work)
{
    while (work->pending > 0) {
        if (is_cancelled(work)) return TURN_CANCELLED;
        /* SPLICE_F_MORE holds back a short segment: only while more bytes are certain to follow. */
        bool more = is_positioned(work) && work->remaining > (int64_t)work->pending;
        int64_t to = work->target_offset;
        int64_t n = splice_once(work, work->pipe.read_fd, NULL, work->target.fd, to < 0 ? NULL : &to, work->pending,
                                more ? SPLICE_F_MORE : 0);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_TARGET;
        if (takes_no_splice(n)) return rescue(work, n);
        if (n < 0) return work_fail(work, n, SLUICE_SIDE_TARGET);
        if (n == 0) return work_fail(work, EIO, SLUICE_SIDE_TARGET);
        work->pending -= (size_t)n;
        work_advance(work, n);
    }
    return TURN_DONE;
}

/*
 * One read by recv(2), into the empty pipe: that takes PIPE_BUF bytes at once, and they carry the stream past a mark.
 */
static int64_t receive_into_pipe(struct work *work)
{
    char bytes[PIPE_BUF];
    int64_t n;
    do
        n = read_source(work, bytes, wanted(work, sizeof bytes));
    while (n == -EINTR);
    if (n <= 0) return n;
    work->syscalls++;
    int64_t written = SYS(write, work->pipe.write_fd, bytes, (size_t)n);
    if (written == n) return n;
    work->pending = (size_t)n; /* they are gone, and told as such */
    return written < 0 ? written : -EIO;
}

/* What no bytes from splice(2) mean: those that recv(2) has put into the pipe, 0 at the end, or -errno. */
static int64_t ask_socket(struct work *work, int64_t answer)
{
    if (answer == -EAGAIN && !work->doubted) {
        /*
         * An empty queue, as a rule. The wait for it ends at once where it isn't, and there the answer is the same
         * again.
         */
        work->doubted = true;
        return answer;
    }
    work->doubted = false;
    if (is_loss(answer)) work->broken = (int)-answer;
    int64_t n = receive_into_pipe(work);
    return n <= 0 && work->broken ? -work->broken : n;
}

static enum turn filled(struct work *work, int64_t n)
{
    if (n > 0) {
        work->pending = (size_t)n;
        return TURN_DONE;
    }
    /* An idle stream keeps no pipe: ten thousand of them would pin ten thousand megabytes' worth. */
    pipe_release(&work->pipe, true);
    if (n == -EAGAIN) return TURN_WAIT_SOURCE;
    if (n < 0) return work_fail(work, n, SLUICE_SIDE_SOURCE);
    return is_positioned(work) ? TURN_EOF : source_ended(work);
}

static int hold_pipe(struct work *work)
{
    return work->pipe.read_fd >= 0 ? 0 : pipe_acquire(&work->pipe);
}

enum turn splice_fill(struct work *work)
{
    if (!is_positioned(work) && !source_is_ready(work)) return TURN_WAIT_SOURCE;
    int failed = hold_pipe(work);
    if (failed < 0) return work_fail(work, failed, SLUICE_SIDE_NONE);
    int64_t from = work->offset;
    int64_t n;
    do
        n = splice_once(work, work->source.fd, from < 0 ? NULL : &from, work->pipe.write_fd, NULL,
                        wanted(work, at_once(work, work->pipe.size)), 0);
    while (n == -EINTR);
    if (n > 0)
        work->doubted = false;
    else if (work->source.kind == SLUICE_KIND_SOCKET && (n == 0 || n == -EAGAIN || is_loss(n)))
        n = ask_socket(work, n);
    return filled(work, n);
}

/* EAGAIN with a pipe at either end may be the source's or the target's; TURN_AGAIN where poll(2) finds both ready. */
static enum turn wait_for_either(struct work *work)
{
    if (is_positioned(work)) return TURN_WAIT_TARGET;
    struct pollfd ends[2] = {{.fd = work->source.fd, .events = POLLIN}, {.fd = work->target.fd, .events = POLLOUT}};
    struct timespec now = {0};
    work->syscalls++;
    SYS(ppoll, ends, 2, &now, NULL, 0);
    if (ends[0].revents == 0) return TURN_WAIT_SOURCE;
    return ends[1].revents == 0 || work->source.kind != SLUICE_KIND_SOCKET ? TURN_WAIT_TARGET : TURN_AGAIN;
}

/* From a socket straight into a pipe: TURN_DONE where what is behind a mark has come into ours instead. */
static enum turn fill_past_mark(struct work *work, int64_t answer)
{
    if (answer == -EAGAIN) {
        enum turn wait = wait_for_either(work);
        if (wait != TURN_AGAIN) return wait;
        work->doubted = true; /* poll(2) has been asked */
    }
    int failed = hold_pipe(work);
    return failed < 0 ? work_fail(work, failed, SLUICE_SIDE_NONE) : filled(work, ask_socket(work, answer));
}

static enum turn nothing_spliced(struct work *work, int64_t answer)
{
    bool is_sources = answer == 0 || answer == -EAGAIN || (is_loss(answer) && answer != -EPIPE);
    if (work->source.kind == SLUICE_KIND_SOCKET && is_sources) return fill_past_mark(work, answer);
    if (answer == -EAGAIN) return wait_for_either(work);
    if (answer < 0) return work_fail(work, answer, SLUICE_SIDE_NONE);
    return is_positioned(work) ? TURN_EOF : source_ended(work);
}

static enum turn splice_direct(struct work *work)
{
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (work->residue) return flush_residue(work);
        enum turn drained = drain(work);
        if (drained != TURN_DONE) return drained;
        if (is_complete(work)) return TURN_DONE;
        if (is_cancelled(work)) return TURN_CANCELLED;
        if (!is_positioned(work) && !source_is_ready(work)) return TURN_WAIT_SOURCE;
        int64_t from = work->offset, to = work->target_offset;
        int64_t n = splice_once(work, work->source.fd, from < 0 ? NULL : &from, work->target.fd, to < 0 ? NULL : &to,
                                wanted(work, at_once(work, budget)), 0);
        if (n == -EINTR) continue;
        if (n <= 0) {
            enum turn turn = nothing_spliced(work, n);
            if (turn != TURN_DONE) return turn;
            budget -= (int64_t)work->pending;
            continue;
        }
        work_advance(work, n);
        budget -= n;
    }
    return is_complete(work) ? TURN_DONE : TURN_AGAIN;
}

static enum turn splice_relayed(struct work *work)
{
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (work->residue) return flush_residue(work);
        if (work->pending == 0) {
            if (is_complete(work)) return TURN_DONE;
            if (is_cancelled(work)) return TURN_CANCELLED;
            enum turn filled = splice_fill(work);
            if (filled != TURN_DONE) return filled;
        }
        budget -= (int64_t)work->pending;
        enum turn drained = drain(work);
        if (drained != TURN_DONE) return drained;
    }
    return is_complete(work) ? TURN_DONE : TURN_AGAIN;
}

enum turn splice_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    bool direct = work->source.kind == SLUICE_KIND_PIPE || work->target.kind == SLUICE_KIND_PIPE;
    return direct ? splice_direct(work) : splice_relayed(work);
}
