/*
 * Where a job goes next: to epoll until an end is ready, into the queue of a lane, or to the ring that it waits for.
 *
 * What can begin at once waits in the prompt lane's queue, and is armed when its target is full: most bodies never are.
 */
#include "dispatch.h"

#include <poll.h>
#include <sys/epoll.h>

#include "poller.h"
#include "ring_table.h"
#include "tee.h"

struct queue prompt_queue = {.event_fd = -1};   /* edge-triggered in the epoll set */
struct queue blocking_queue = {.event_fd = -1}; /* counts the queue's jobs */

static void (*settle)(struct job *job, uint32_t end);

void dispatch_start(void (*settle_job)(struct job *, uint32_t))
{
    settle = settle_job;
}

void lanes_settle(struct job *job, uint32_t end)
{
    settle(job, end);
}

static void fail_dispatch(struct job *job, int error)
{
    job->work.error = error;
    settle(job, SLUICE_END_ERROR);
}

static void arm(struct job *job, struct end *end, uint32_t events)
{
    job->state = JOB_WAITING;
    job->work.syscalls += 2; /* this epoll_ctl and the epoll_wait that takes its event */
    int failed = poller_watch(end, events, job_tag(job));
    if (failed < 0) fail_dispatch(job, -failed);
}

static void put(struct queue *queue, struct job *job)
{
    job->state = JOB_QUEUED;
    queue_append(queue, job);
}

static void enqueue(struct job *job)
{
    if (pool_staff(blocking_queue.pool, blocking_queue.length + 1)) {
        put(&blocking_queue, job);
        queue_ring(&blocking_queue);
        return;
    }
    /* No thread may wait for it but one of the other lane: that is better than nothing. */
    job->work.is_stray = true;
    put(&prompt_queue, job);
    queue_ring(&prompt_queue);
}

bool target_may_block(const struct end *target)
{
    if (target->ring) return false;
    return !target->pollable || (target->kind == SLUICE_KIND_CHAR_DEVICE && !target->nonblocking);
}

/* A character device may or may not be pollable; epoll knows. */
static void find_pollable(struct job *job, struct end *end)
{
    if (end->kind != SLUICE_KIND_CHAR_DEVICE || end->pollable || end->registered) return;
    end->pollable = poller_watch(end, 0, job_tag(job)) == 0;
}

static struct ring *ring_awaited(const struct job *job, enum turn after)
{
    return after == TURN_WAIT_SOURCE ? job->work.source.ring : after == TURN_WAIT_TARGET ? job->work.target.ring : NULL;
}

/* The job's ring is ready. */
static void resume(struct job *job)
{
    if (!job->waits_only) {
        lanes_dispatch(job, TURN_AGAIN);
        return;
    }
    int64_t answer = ring_look(job->work.source.ring);
    job->work.error = answer < 0 ? (int)-answer : 0;
    job->work.failed = SLUICE_SIDE_NONE;
    settle(job, answer < 0 ? SLUICE_END_ERROR : SLUICE_END_DONE);
}

static void wait_for_ring(struct job *job, struct ring *ring)
{
    int waits = ring_wait(job, ring, resume);
    if (waits == 0) resume(job);
    if (waits < 0) fail_dispatch(job, -waits);
}

void lanes_dispatch(struct job *job, enum turn after)
{
    struct ring *ring = ring_awaited(job, after);
    if (ring) {
        wait_for_ring(job, ring);
        return;
    }
    find_pollable(job, &job->work.source);
    find_pollable(job, &job->work.target);
    /* What is in the pipe or the residue has to leave before more is read. */
    bool to_target = after == TURN_WAIT_TARGET || job->work.pending > 0 || !job->work.source.pollable;
    struct end *target = job->work.tee ? tee_blocked(job->work.tee) : &job->work.target;
    /* What has more to write to a file needs the blocking lane again: by epoll it would wake a thread of each. */
    bool goes_on = after == TURN_AGAIN && !job->work.tee && !target->pollable && !target->ring;
    if (after == TURN_COLD || goes_on)
        enqueue(job);
    else if (after == TURN_WAIT_NOTICE)
        arm(job, target, 0); /* EPOLLERR tells of an error queue that is not empty, and is never left out */
    else if (to_target && target->pollable)
        arm(job, target, EPOLLOUT);
    else if (!to_target && after != TURN_WAIT_TARGET)
        arm(job, &job->work.source, EPOLLIN | EPOLLRDHUP);
    else
        enqueue(job);
}

/* Whether its first turn neither waits for a source nor, where the target turns out to be full, for that. */
static bool begins_at_once(const struct job *job)
{
    bool has_source =
        !job->work.source.pollable && !job->work.source.ring && job->work.source.kind != SLUICE_KIND_CHAR_DEVICE;
    return has_source && job->work.residency != RESIDENCY_NEVER && !job->work.tee && job->work.target.pollable &&
           job->work.target.nonblocking;
}

/* From a peer to a file: the peer is waited for where it has sent nothing, and no thread of the blocking lane is. */
static enum turn before_first(struct job *job)
{
    struct work *work = &job->work;
    if (work->tee || !work->source.pollable || !target_may_block(&work->target)) return TURN_AGAIN;
    struct pollfd entry = {.fd = work->source.fd, .events = POLLIN};
    struct timespec now = {0};
    work->syscalls++;
    return SYS(ppoll, &entry, 1, &now, NULL, 0) > 0 ? TURN_AGAIN : TURN_WAIT_SOURCE;
}

bool lanes_start_job(struct job *job)
{
    if (!begins_at_once(job)) {
        lanes_dispatch(job, before_first(job));
        return false;
    }
    job->work.syscalls++; /* that of lanes_call() */
    put(&prompt_queue, job);
    return true;
}

void lanes_call(void)
{
    queue_ring(&prompt_queue);
}

bool lanes_withdraw(struct job *job)
{
    if (job->state != JOB_QUEUED && job->state != JOB_WAITING) return false;
    if (job->awaited) ring_unwait(job);
    if (job->work.dontcache) {
        /* What it brought into the page cache is dropped outside the lock. */
        if (job->state == JOB_WAITING) enqueue(job);
        return false;
    }
    if (job->state == JOB_QUEUED) queue_unlink(job);
    return true;
}
