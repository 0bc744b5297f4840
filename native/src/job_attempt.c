/*
 * A job that begins on the calling thread. What a connection has in hand, and the target takes at once, is spliced
 * there: for little the way to a worker and back costs more than the work. It never waits, neither for a peer nor for a
 * disk; where it would, the threads go on, from the same pipe and with the same account.
 */
#include <fcntl.h>

#include "contexts.h"
#include "filesystem.h"
#include "job.h"
#include "lock.h"
#include "mechanisms.h"
#include "shield.h"

static const struct end no_end = {.fd = -1};

/*
 * Of files those in memory alone: a write to any other may have to wait for the disk, which has too many dirty pages, a
 * journal to commit, or a block map to read; and splice(2) has no RWF_NOWAIT.
 */
static bool takes_at_once(const struct end *target)
{
    if (target->kind == SLUICE_KIND_SOCKET) return target->nonblocking;
    return target->kind == SLUICE_KIND_FILE && filesystem_of(target->fd).kind == FILESYSTEM_MEMORY;
}

static bool gives_at_once(const struct end *source)
{
    return source->kind == SLUICE_KIND_SOCKET && source->nonblocking;
}

/* splice(2) has no MSG_NOSIGNAL: the thread must not mind SIGPIPE, which every runtime ignores. */
static enum turn splice_on_this_thread(struct work *work)
{
    if (work->target.kind != SLUICE_KIND_FILE) return splice_turn(work, NULL);
    sigset_t before;
    shield(&before);
    enum turn turn = splice_turn(work, NULL);
    unshield(&before);
    return turn;
}

static enum turn attempt(struct work *work, const struct sluice_request *request)
{
    work_prepare(work, request, splice_turn);
    work->remaining = (int64_t)wanted(work, SLUICE_INLINE_STREAM_BYTES);
    enum turn turn = splice_on_this_thread(work);
    int64_t moved = atomic_load_explicit(&work->moved, memory_order_relaxed);
    work->remaining = request->length < 0 ? -1 : request->length - moved;
    return turn == TURN_DONE && !is_complete(work) ? TURN_AGAIN : turn;
}

/* The threads need descriptors of their own, which the runtime can't close. The turn that is due, or TURN_FAILED. */
static enum turn keep_ends(struct work *work, enum turn turn)
{
    int64_t source = keep_fd(SYS(fcntl, work->source.fd, F_DUPFD_CLOEXEC, 0));
    int64_t target = source < 0 ? source : keep_fd(SYS(fcntl, work->target.fd, F_DUPFD_CLOEXEC, 0));
    if (target < 0) {
        close_kept((int)source);
        return work_fail(work, target, SLUICE_SIDE_NONE);
    }
    work->source.fd = (int)source;
    work->target.fd = (int)target;
    return turn;
}

static const uint32_t ends[] = {
    [TURN_AGAIN] = SLUICE_END_BLOCKED,
    [TURN_WAIT_SOURCE] = SLUICE_END_BLOCKED,
    [TURN_WAIT_TARGET] = SLUICE_END_BLOCKED,
    [TURN_DONE] = SLUICE_END_DONE,
    [TURN_EOF] = SLUICE_END_EOF,
    [TURN_FAILED] = SLUICE_END_ERROR,
};

/*
 * Answers the handle of a job that stays, for what is still to be done or for the bytes that it holds, or 0. With the
 * lock held.
 */
static int32_t conclude(struct job *job, enum turn turn, struct sluice_outcome *outcome)
{
    struct work *work = &job->work;
    job->has_begun = turn < TURN_DONE;
    job->after = turn;
    job->end = ends[turn];
    work->stranded = (int64_t)work->pending;
    if (!job->has_begun) work->source = work->target = no_end;
    job_report(job, outcome);
    bool stays = job->has_begun || work->pending > 0;
    if (stays && !job->closing) return job_handle(job);
    outcome->job = 0;
    /* Its context may have been closed meanwhile. */
    int32_t answer = job->closing ? -EBADF : 0;
    job_release(job);
    return answer;
}

static struct job *job_borrow(int32_t context, struct end source, struct end target)
{
    struct job *job = job_allocate(context);
    if (!job) return NULL;
    job->work.source = source;
    job->work.target = target;
    job_opened(job);
    job->state = JOB_RUNNING; /* on this thread */
    return job;
}

int32_t sluice_job_attempt(int32_t context, int32_t source, int32_t target, void *request, void *outcome)
{
    const struct sluice_request *asked = request;
    /* What gives way does so by its outcome. */
    bool plain = (asked->flags & ~(uint32_t)SLUICE_REQUEST_GIVE_WAY) == 0;
    if (asked->strategy != SLUICE_SPLICE || !plain || asked->offset >= 0) return -EINVAL;
    struct end from, to;
    int failed = end_describe(&from, source);
    if (failed == 0) failed = end_describe(&to, target);
    if (failed < 0) return failed;
    if (!gives_at_once(&from) || !takes_at_once(&to)) return -EAGAIN;
    lock();
    struct job *job = context_is_open(context) ? job_borrow(context, from, to) : NULL;
    failed = job ? 0 : context_is_open(context) ? -ENOMEM : -EBADF;
    unlock();
    if (!job) return failed;
    enum turn turn = attempt(&job->work, asked);
    if (turn < TURN_DONE) turn = keep_ends(&job->work, turn);
    lock();
    int32_t handle = conclude(job, turn, outcome);
    unlock();
    return handle;
}
