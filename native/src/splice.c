/*
 * splice(2): page references through a pipe. Directly where an end is a pipe itself, else relayed
 * through one of ours, which is empty whenever it is filled: so EAGAIN from the filling side is
 * about the source, and EAGAIN from the draining side about the target.
 *
 * At the mark of TCP's urgent data splice(2) stops: it answers EAGAIN as if the queue were empty, 0 once the peer has ended, and
 * ahead of the bytes behind the mark an error of the connection, which the kernel tells once. recv(2) goes past the mark, and its 0
 * is an end. So a socket that gives splice(2) nothing is asked by recv(2) before that is believed.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "job.h"

static int64_t splice_once(struct job *job, int from, int64_t *from_offset, int to, int64_t *to_offset, size_t length,
                           unsigned flags)
{
    job->syscalls++;
    return SYS(splice, from, from_offset, to, to_offset, length, SPLICE_F_NONBLOCK | SPLICE_F_MOVE | flags);
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
    /* Another mechanism would not hear again of a connection's error. */
    job->refusal = job->broken ? job->broken : (int)-refusal;
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
        if (takes_no_splice(n)) return rescue(job, n);
        if (n < 0) return job_fail(job, n, SLUICE_SIDE_TARGET);
        if (n == 0) return job_fail(job, EIO, SLUICE_SIDE_TARGET);
        job->pending -= (size_t)n;
        job_advance(job, n);
    }
    return TURN_DONE;
}

/* One read by recv(2), into the empty pipe: that takes PIPE_BUF bytes at once, and they carry the stream past a mark. */
static int64_t receive_into_pipe(struct job *job)
{
    char bytes[PIPE_BUF];
    int64_t n;
    do
        n = read_source(job, bytes, wanted(job, sizeof bytes));
    while (n == -EINTR);
    if (n <= 0) return n;
    job->syscalls++;
    int64_t written = SYS(write, job->pipe.write_fd, bytes, (size_t)n);
    if (written == n) return n;
    job->pending = (size_t)n; /* they are gone, and told as such */
    return written < 0 ? written : -EIO;
}

/* What no bytes from splice(2) mean: those that recv(2) has put into the pipe, 0 at the end, or -errno. */
static int64_t ask_socket(struct job *job, int64_t answer)
{
    if (answer == -EAGAIN && !job->doubted) {
        /* An empty queue, as a rule. The wait for it ends at once where it isn't, and there the answer is the same again. */
        job->doubted = true;
        return answer;
    }
    job->doubted = false;
    if (is_loss(answer)) job->broken = (int)-answer;
    int64_t n = receive_into_pipe(job);
    return n <= 0 && job->broken ? -job->broken : n;
}

static enum turn filled(struct job *job, int64_t n)
{
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

static int hold_pipe(struct job *job)
{
    return job->pipe.read_fd >= 0 ? 0 : pipe_acquire(&job->pipe);
}

enum turn splice_fill(struct job *job)
{
    if (!is_positioned(job) && !source_is_ready(job)) return TURN_WAIT_SOURCE;
    int failed = hold_pipe(job);
    if (failed < 0) return job_fail(job, failed, SLUICE_SIDE_NONE);
    int64_t from = job->offset;
    int64_t n;
    do
        n = splice_once(job, job->source.fd, from < 0 ? NULL : &from, job->pipe.write_fd, NULL,
                        wanted(job, at_once(job, job->pipe.size)), 0);
    while (n == -EINTR);
    if (n > 0)
        job->doubted = false;
    else if (job->source.kind == SLUICE_KIND_SOCKET && (n == 0 || n == -EAGAIN || is_loss(n)))
        n = ask_socket(job, n);
    return filled(job, n);
}

/* EAGAIN with a pipe at either end may be the source's or the target's; TURN_AGAIN where poll(2) finds both ready. */
static enum turn wait_for_either(struct job *job)
{
    if (is_positioned(job)) return TURN_WAIT_TARGET;
    struct pollfd ends[2] = {{.fd = job->source.fd, .events = POLLIN}, {.fd = job->target.fd, .events = POLLOUT}};
    struct timespec now = {0};
    job->syscalls++;
    SYS(ppoll, ends, 2, &now, NULL, 0);
    if (ends[0].revents == 0) return TURN_WAIT_SOURCE;
    return ends[1].revents == 0 || job->source.kind != SLUICE_KIND_SOCKET ? TURN_WAIT_TARGET : TURN_AGAIN;
}

/* From a socket straight into a pipe: TURN_DONE where what is behind a mark has come into ours instead. */
static enum turn fill_past_mark(struct job *job, int64_t answer)
{
    if (answer == -EAGAIN) {
        enum turn wait = wait_for_either(job);
        if (wait != TURN_AGAIN) return wait;
        job->doubted = true; /* poll(2) has been asked */
    }
    int failed = hold_pipe(job);
    return failed < 0 ? job_fail(job, failed, SLUICE_SIDE_NONE) : filled(job, ask_socket(job, answer));
}

static enum turn nothing_spliced(struct job *job, int64_t answer)
{
    bool is_sources = answer == 0 || answer == -EAGAIN || (is_loss(answer) && answer != -EPIPE);
    if (job->source.kind == SLUICE_KIND_SOCKET && is_sources) return fill_past_mark(job, answer);
    if (answer == -EAGAIN) return wait_for_either(job);
    if (answer < 0) return job_fail(job, answer, SLUICE_SIDE_NONE);
    return is_positioned(job) ? TURN_EOF : source_ended(job);
}

static enum turn splice_direct(struct job *job)
{
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (job->residue) return flush_residue(job);
        enum turn drained = drain(job);
        if (drained != TURN_DONE) return drained;
        if (is_complete(job)) return TURN_DONE;
        if (is_cancelled(job)) return TURN_CANCELLED;
        if (!is_positioned(job) && !source_is_ready(job)) return TURN_WAIT_SOURCE;
        int64_t from = job->offset, to = job->target_offset;
        int64_t n = splice_once(job, job->source.fd, from < 0 ? NULL : &from, job->target.fd, to < 0 ? NULL : &to,
                                wanted(job, at_once(job, budget)), 0);
        if (n == -EINTR) continue;
        if (n <= 0) {
            enum turn turn = nothing_spliced(job, n);
            if (turn != TURN_DONE) return turn;
            budget -= (int64_t)job->pending;
            continue;
        }
        job_advance(job, n);
        budget -= n;
    }
    return is_complete(job) ? TURN_DONE : TURN_AGAIN;
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
