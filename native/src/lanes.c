/*
 * The threads, in two lanes.
 *
 * The prompt lane serves sockets and pipes: its workers share one epoll instance, take one event
 * each, run a bounded turn and arm the descriptor again, so that a thousand slow peers and a fast
 * one all make progress. Nothing there may wait for a disk. What can begin at once waits in a queue,
 * and is armed when its target is full: most bodies never are.
 *
 * The blocking lane runs what may: copies between files, and turns on files whose next pages are
 * not in memory. It has threads of its own, bounded, and a queue.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "rings.h"
#include "threads.h"

#define MAX_PROMPT 4
#define MAX_BLOCKING 16
#define IDLE_MS 10000

static void serve_prompt(struct pool *pool, struct lane *lane);
static void serve_blocking(struct pool *pool, struct lane *lane);

static struct pool prompt = {.name = "sluice", .serve = serve_prompt};
static struct pool blocking = {.name = "sluice-disk", .serve = serve_blocking, .may_block = true, .most = MAX_BLOCKING};
static int epoll_fd = -1;

/* Jobs that wait for a thread, first in first out. */
struct queue {
    struct job *head;
    struct job *tail;
    uint32_t length;
    int event_fd;
};

static struct queue prompt_queue = {.event_fd = -1};   /* edge-triggered in the epoll set */
static struct queue blocking_queue = {.event_fd = -1}; /* counts the queue's jobs */

/* The tag of the prompt queue's event: no job has such an index, and no context more than one bit there. */
#define QUEUE_TAG UINT64_MAX

int lanes_start(void)
{
    if (epoll_fd >= 0) return 0;
    int poller = (int)SYS(epoll_create1, EPOLL_CLOEXEC);
    int bell = (int)SYS(eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
    int counter = (int)SYS(eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = QUEUE_TAG};
    int failed = poller < 0 ? poller : bell < 0 ? bell : counter < 0 ? counter : 0;
    if (failed == 0) failed = (int)SYS(epoll_ctl, poller, EPOLL_CTL_ADD, bell, &event);
    if (failed < 0) {
        close_fd(&poller);
        close_fd(&bell);
        close_fd(&counter);
        return failed;
    }
    epoll_fd = poller;
    prompt_queue.event_fd = bell;
    blocking_queue.event_fd = counter;
    uint32_t cpus = usable_cpus();
    prompt.most = cpus < MAX_PROMPT ? cpus : MAX_PROMPT;
    return 0;
}

static void fail_dispatch(struct job *job, int error)
{
    job->error = error;
    job_end(job, SLUICE_END_ERROR);
}

/* --- arming --- */

static int watch(struct end *end, uint32_t events, uint64_t tag)
{
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.u64 = tag};
    int64_t failed = SYS(epoll_ctl, epoll_fd, end->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, end->fd, &event);
    if (failed == 0) end->registered = true;
    return (int)failed;
}

static void unwatch(struct end *end)
{
    if (!end->registered) return;
    /* A duplicate's registration outlives its close(2) while the runtime's descriptor is open. */
    SYS(epoll_ctl, epoll_fd, EPOLL_CTL_DEL, end->fd, NULL);
    end->registered = false;
}

static void arm(struct job *job, struct end *end, uint32_t events)
{
    job->state = JOB_WAITING;
    job->syscalls += 2; /* this epoll_ctl and the epoll_wait that takes its event */
    int failed = watch(end, events, job_tag(job));
    if (failed < 0) fail_dispatch(job, -failed);
}

int lanes_watch(int fd, uint64_t tag)
{
    /* No events asked for: EPOLLERR, the loss of the reader, is always reported. */
    struct epoll_event event = {.events = EPOLLONESHOT, .data.u64 = tag};
    return (int)SYS(epoll_ctl, epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void lanes_unwatch(int fd)
{
    SYS(epoll_ctl, epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void lanes_forget(struct job *job)
{
    unwatch(&job->source);
    unwatch(&job->target);
    if (job->tee) tee_each(job->tee, unwatch);
}

/* --- the queues --- */

static void append(struct queue *queue, struct job *job)
{
    job->state = JOB_QUEUED;
    job->queue = queue;
    job->previous = queue->tail;
    job->next = NULL;
    *(queue->tail ? &queue->tail->next : &queue->head) = job;
    queue->tail = job;
    queue->length++;
}

static void unlink_queued(struct job *job)
{
    struct queue *queue = job->queue;
    *(job->previous ? &job->previous->next : &queue->head) = job->next;
    *(job->next ? &job->next->previous : &queue->tail) = job->previous;
    job->next = job->previous = NULL;
    job->queue = NULL;
    queue->length--;
}

static struct job *dequeue(struct queue *queue)
{
    struct job *job = queue->head;
    if (job) unlink_queued(job);
    return job;
}

static void ring_bell(const struct queue *queue)
{
    uint64_t one = 1;
    SYS(write, queue->event_fd, &one, sizeof one);
}

static void enqueue(struct job *job)
{
    if (pool_staff(&blocking, blocking_queue.length + 1)) {
        append(&blocking_queue, job);
        ring_bell(&blocking_queue);
        return;
    }
    /* No thread may wait for it but one of the other lane: that is better than nothing. */
    job->is_stray = true;
    append(&prompt_queue, job);
    ring_bell(&prompt_queue);
}

/* --- dispatch --- */

/* Files wait for disks; a terminal in blocking mode waits for whoever pressed ^S. */
static bool may_block(const struct end *target)
{
    if (target->ring) return false;
    return !target->pollable || (target->kind == SLUICE_KIND_CHAR_DEVICE && !target->nonblocking);
}

/* A character device may or may not be pollable; epoll knows. */
static void find_pollable(struct job *job, struct end *end)
{
    if (end->kind != SLUICE_KIND_CHAR_DEVICE || end->pollable || end->registered) return;
    end->pollable = watch(end, 0, job_tag(job)) == 0;
}

static struct ring *ring_awaited(const struct job *job, enum turn after)
{
    return after == TURN_WAIT_SOURCE ? job->source.ring : after == TURN_WAIT_TARGET ? job->target.ring : NULL;
}

void lanes_dispatch(struct job *job, enum turn after)
{
    struct ring *ring = ring_awaited(job, after);
    if (ring) {
        ring_wait(job, ring);
        return;
    }
    find_pollable(job, &job->source);
    find_pollable(job, &job->target);
    /* What is in the pipe or the residue has to leave before more is read. */
    bool to_target = after == TURN_WAIT_TARGET || job->pending > 0 || !job->source.pollable;
    struct end *target = job->tee ? tee_blocked(job->tee) : &job->target;
    if (after == TURN_COLD)
        enqueue(job);
    else if (after == TURN_WAIT_NOTICE)
        arm(job, target, 0); /* EPOLLERR tells of an error queue that is not empty, and is never left out */
    else if (to_target && target->pollable)
        arm(job, target, EPOLLOUT);
    else if (!to_target && after != TURN_WAIT_TARGET)
        arm(job, &job->source, EPOLLIN | EPOLLRDHUP);
    else
        enqueue(job);
}

bool lanes_attend(void)
{
    return prompt.threads > 0 || pool_staff(&prompt, 1);
}

bool lanes_staff(void)
{
    return pool_staff(&prompt, 1);
}

/* Whether its first turn neither waits for a source nor, where the target turns out to be full, for that. */
static bool begins_at_once(const struct job *job)
{
    bool has_source = !job->source.pollable && !job->source.ring && job->source.kind != SLUICE_KIND_CHAR_DEVICE;
    return has_source && job->residency != RESIDENCY_NEVER && !job->tee && job->target.pollable &&
           job->target.nonblocking;
}

bool lanes_start_job(struct job *job)
{
    if (!begins_at_once(job)) {
        lanes_dispatch(job, TURN_AGAIN);
        return false;
    }
    job->syscalls++; /* that of lanes_call() */
    append(&prompt_queue, job);
    return true;
}

void lanes_call(void)
{
    ring_bell(&prompt_queue);
}

bool lanes_withdraw(struct job *job)
{
    if (job->state != JOB_QUEUED && job->state != JOB_WAITING) return false;
    if (job->awaited) ring_unwait(job);
    if (job->dontcache) {
        /* What it brought into the page cache is dropped outside the lock. */
        if (job->state == JOB_WAITING) enqueue(job);
        return false;
    }
    if (job->state == JOB_QUEUED) unlink_queued(job);
    return true;
}

void lanes_count(uint32_t *prompt_threads, uint32_t *blocking_threads)
{
    *prompt_threads = prompt.threads;
    *blocking_threads = blocking.threads;
}

/* --- running --- */

bool lane_is_free(const struct lane *lane)
{
    return lane->may_block ? blocking_queue.length == 0 : prompt.idle > 0 || jobs_open() + pairs_open() == 1;
}

static enum turn take_turn(struct job *job, struct lane *lane)
{
    if (is_cancelled(job)) {
        dontcache_finish(job);
        return TURN_CANCELLED;
    }
    if (!lane->may_block && !job->is_stray) {
        if (may_block(&job->target)) return TURN_COLD;
        if (job->pending == 0 && !is_resident(job, (int64_t)wanted(job, SLUICE_TURN_BYTES))) return TURN_COLD;
    }
    return job->run(job, lane);
}

static enum turn take_turns(struct job *job, struct lane *lane)
{
    int64_t started = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    enum turn turn;
    do
        turn = take_turn(job, lane);
    while (linger(job, lane, turn));
    job->cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - started;
    return turn;
}

/* Runs turns of a job that this worker has claimed, then hands it on. With the lock held at entry and exit. */
static void run(struct job *job, struct lane *lane)
{
    static const uint32_t ends[] = {
        [TURN_DONE] = SLUICE_END_DONE,
        [TURN_EOF] = SLUICE_END_EOF,
        [TURN_CANCELLED] = SLUICE_END_CANCELLED,
        [TURN_FAILED] = SLUICE_END_ERROR,
    };
    job->state = JOB_RUNNING;
    unlock();
    enum turn turn = take_turns(job, lane);
    /* While it runs nobody else touches its ends. */
    bool leaves = turn == TURN_DONE && job->is_last;
    if (leaves && !lane->may_block && !job->is_stray &&
        !(end_closes_quickly(&job->source) && end_closes_quickly(&job->target)))
        turn = TURN_COLD;
    if (turn >= TURN_DONE) job_settle(job, close_where_it_may_wait);
    if (turn == TURN_DONE && leaves) job_leave_ends(job);
    lock();
    if (turn >= TURN_DONE) {
        job_end(job, ends[turn]);
        return;
    }
    if (turn == TURN_WAIT_SOURCE || turn == TURN_WAIT_TARGET || turn == TURN_WAIT_NOTICE) job->waits++;
    bool cancelled = is_cancelled(job);
    if (cancelled && !job->dontcache)
        job_end(job, SLUICE_END_CANCELLED);
    else
        lanes_dispatch(job, cancelled ? TURN_COLD : turn);
}

static void take_queued(struct lane *lane)
{
    struct job *job = dequeue(&prompt_queue);
    /* One event may stand for several jobs. */
    if (prompt_queue.length > 0) ring_bell(&prompt_queue);
    if (job) run(job, lane);
}

static void take_event(const struct epoll_event *event, struct lane *lane)
{
    int32_t context;
    if (event->data.u64 == QUEUE_TAG) {
        take_queued(lane);
        return;
    }
    if (context_tagged(event->data.u64, &context)) {
        context_kill(context);
        return;
    }
    struct job *job = job_tagged(event->data.u64);
    if (job && job->state == JOB_WAITING && !job->awaited) run(job, lane);
}

/* Both lanes are entered and left with the lock held; a thread leaves when nothing needs it for a while. */

static void serve_prompt(struct pool *pool, struct lane *lane)
{
    struct epoll_event event;
    for (;;) {
        pool->idle++;
        unlock();
        int64_t ready = SYS(epoll_pwait, epoll_fd, &event, 1, IDLE_MS, NULL, 8);
        lock();
        pool->idle--;
        if (ready > 0) take_event(&event, lane);
        if (ready == 0 && jobs_open() == 0 && pairs_open() == 0 && !context_may_be_lost()) return;
    }
}

static void serve_blocking(struct pool *pool, struct lane *lane)
{
    for (;;) {
        pool->idle++;
        unlock();
        struct pollfd entry = {.fd = blocking_queue.event_fd, .events = POLLIN};
        struct timespec timeout = {.tv_sec = IDLE_MS / 1000};
        uint64_t count;
        int64_t ready = SYS(ppoll, &entry, 1, &timeout, NULL, 0);
        if (ready > 0) SYS(read, blocking_queue.event_fd, &count, sizeof count);
        lock();
        pool->idle--;
        struct job *job = dequeue(&blocking_queue);
        if (job) run(job, lane);
        if (!job && ready == 0) return;
    }
}
