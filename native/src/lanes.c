/*
 * The threads, in two lanes.
 *
 * The prompt lane serves sockets and pipes: its workers share one epoll instance, take one event
 * each, run a bounded turn and arm the descriptor again, so that a thousand slow peers and a fast
 * one all make progress. Nothing there may wait for a disk.
 *
 * The blocking lane runs what may: copies between files, and turns on files whose next pages are
 * not in memory. It has threads of its own, bounded, and a queue.
 */
#include "lanes.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "closing.h"
#include "contexts.h"
#include "dispatch.h"
#include "mechanisms.h"
#include "poller.h"

#define MAX_PROMPT 4
#define MAX_BLOCKING 16
/* Workers that may wait a moment themselves at once. */
#define MOST_LINGERING 2
#define IDLE_MS 10000

static void serve_prompt(struct pool *pool, struct lane *lane);
static void serve_blocking(struct pool *pool, struct lane *lane);

static struct pool prompt = {.name = "sluice", .serve = serve_prompt};
static struct pool blocking = {.name = "sluice-disk", .serve = serve_blocking, .may_block = true, .most = MAX_BLOCKING};

/* The tag of the prompt queue's event: no job has such an index, and no context more than one bit there. */
#define QUEUE_TAG UINT64_MAX

static const struct lanes_owner *owner;

int lanes_start(const struct lanes_owner *ours)
{
    if (poller_is_open()) return 0;
    int bell = (int)keep_fd(SYS(eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
    int counter = (int)keep_fd(SYS(eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE));
    int failed = bell < 0 ? bell : counter < 0 ? counter : poller_open(bell, QUEUE_TAG);
    if (failed < 0) {
        close_fd(&bell);
        close_fd(&counter);
        return failed;
    }
    owner = ours;
    dispatch_start(ours->settle);
    prompt_queue.event_fd = bell;
    prompt_queue.pool = &prompt;
    blocking_queue.event_fd = counter;
    blocking_queue.pool = &blocking;
    uint32_t cpus = usable_cpus();
    prompt.most = cpus < MAX_PROMPT ? cpus : MAX_PROMPT;
    return 0;
}

bool lanes_attend(void)
{
    return prompt.threads > 0 || pool_staff(&prompt, 1);
}

void lanes_look_out(void)
{
    if (owner && owner->may_lose()) lanes_attend();
}

bool lanes_staff(void)
{
    return pool_staff(&prompt, 1);
}

void lanes_count(uint32_t *prompt_threads, uint32_t *blocking_threads)
{
    *prompt_threads = prompt.threads;
    *blocking_threads = blocking.threads;
}

/* --- running --- */

/* Whether nothing else waits for the lane's thread, or another is there for it. */
static bool lane_is_free(const struct lane *lane)
{
    return lane->may_block ? blocking_queue.length == 0 : prompt.idle > 0 || jobs_open() + pairs_open() == 1;
}

static uint32_t lingering;

static bool may_linger(const struct lane *lane)
{
    lock();
    bool may = lingering < MOST_LINGERING && lane_is_free(lane);
    lingering += may;
    unlock();
    return may;
}

static void linger_no_more(void)
{
    lock();
    lingering--;
    unlock();
}

/*
 * A file that another process feeds, or empties, by a pipe or a ring waits every hundred microseconds, and the way by
 * epoll, or the other lane, is a wake-up or two. So a worker may wait a moment itself, as long as no other job wants
 * the thread.
 */
static bool linger(struct work *work, const struct lane *lane, enum turn turn)
{
    if (!is_worth_waiting(work, lane, turn) || !may_linger(lane)) return false;
    bool ready = wait_briefly(work, turn);
    linger_no_more();
    return ready;
}

/* Closes the descriptors alone, out of the epoll set; rings stay. The worker that runs the job may wait for that. */
static void leave_ends(struct work *work)
{
    poller_forget(work);
    close_fd(&work->source.fd);
    close_fd(&work->target.fd);
}

static enum turn take_turn(struct work *work, struct lane *lane)
{
    if (is_cancelled(work)) {
        dontcache_finish(work);
        return TURN_CANCELLED;
    }
    if (!lane->may_block && !work->is_stray) {
        if (target_may_block(&work->target)) return TURN_COLD;
        if (work->pending == 0 && !is_resident(work, (int64_t)wanted(work, SLUICE_TURN_BYTES))) return TURN_COLD;
    }
    return work->run(work, lane);
}

static enum turn take_turns(struct work *work, struct lane *lane)
{
    int64_t started = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    enum turn turn;
    do
        turn = take_turn(work, lane);
    while (linger(work, lane, turn));
    work->cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - started;
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
    enum turn turn = take_turns(&job->work, lane);
    /* While it runs its ends are the worker's alone. */
    bool leaves = turn == TURN_DONE && job->is_last;
    if (leaves && !lane->may_block && !job->work.is_stray &&
        !(end_closes_quickly(&job->work.source) && end_closes_quickly(&job->work.target)))
        turn = TURN_COLD;
    if (turn >= TURN_DONE) work_settle(&job->work, close_where_it_may_wait);
    if (turn == TURN_DONE && leaves) leave_ends(&job->work);
    lock();
    if (turn >= TURN_DONE) {
        lanes_settle(job, ends[turn]);
        return;
    }
    if (turn == TURN_WAIT_SOURCE || turn == TURN_WAIT_TARGET || turn == TURN_WAIT_NOTICE) job->work.waits++;
    bool cancelled = is_cancelled(&job->work);
    if (cancelled && !job->work.dontcache)
        lanes_settle(job, SLUICE_END_CANCELLED);
    else
        lanes_dispatch(job, cancelled ? TURN_COLD : turn);
}

static void take_queued(struct lane *lane)
{
    struct job *job = queue_take(&prompt_queue);
    /* One event may stand for several jobs. */
    if (prompt_queue.length > 0) queue_ring(&prompt_queue);
    if (job) run(job, lane);
}

static void take_event(uint64_t tag, struct lane *lane)
{
    int32_t context;
    if (tag == QUEUE_TAG) {
        take_queued(lane);
        return;
    }
    if (context_tagged(tag, &context)) {
        owner->lost(context);
        return;
    }
    struct job *job = job_tagged(tag);
    if (job && job->state == JOB_WAITING && !job->awaited) run(job, lane);
}

/* Both lanes are entered and left with the lock held; a thread leaves when nothing needs it for a while. */

static void serve_prompt(struct pool *pool, struct lane *lane)
{
    lane->linger = linger;
    uint64_t tag;
    bool is_idle;
    for (;;) {
        pool->idle++;
        unlock();
        bool told = poller_wait(IDLE_MS, &tag, &is_idle);
        lock();
        pool->idle--;
        if (told) take_event(tag, lane);
        if (is_idle && jobs_open() == 0 && pairs_open() == 0 && !owner->may_lose()) return;
    }
}

static void serve_blocking(struct pool *pool, struct lane *lane)
{
    lane->linger = linger;
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
        struct job *job = queue_take(&blocking_queue);
        if (job) run(job, lane);
        if (!job && ready == 0) return;
    }
}
