/* A worker that waits a moment for the other end of a pipe or a ring itself, instead of leaving that to epoll. */
#include <poll.h>

#include "engine.h"
#include "ring.h"

/* Workers that may do so at once, and for how long each time. */
#define MOST_LINGERING 2
#define LINGER_MS 1

static uint32_t lingering;

/* The end that a turn waits for. */
static struct end *end_awaited(struct job *job, enum turn turn)
{
    return turn == TURN_WAIT_SOURCE ? &job->source : turn == TURN_WAIT_TARGET ? &job->target : NULL;
}

static bool await_briefly(struct job *job, const struct end *end, short events)
{
    if (end->ring) return ring_await(end->ring, job->wants, LINGER_MS);
    struct pollfd entry = {.fd = end->fd, .events = events};
    struct timespec timeout = {.tv_nsec = LINGER_MS * 1000000};
    return SYS(ppoll, &entry, 1, &timeout, NULL, 0) > 0;
}

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

/* Whom it may be worth waiting for. The prompt lane has better to do than to wait for the peers of sockets. */
static bool is_quick(const struct end *end, const struct lane *lane)
{
    return end->ring || end->kind == SLUICE_KIND_PIPE || (lane->may_block && end->pollable);
}

/*
 * A file that another process feeds, or empties, by a pipe or a ring waits every hundred microseconds, and the way by epoll,
 * or the other lane, is a wake-up or two. So a worker may wait a moment itself, as long as nobody else wants the thread.
 */
bool linger(struct job *job, const struct lane *lane, enum turn turn)
{
    struct end *end = end_awaited(job, turn);
    if (!end || is_cancelled(job) || !is_quick(end, lane) || !may_linger(lane)) return false;
    bool ready = await_briefly(job, end, turn == TURN_WAIT_SOURCE ? POLLIN : POLLOUT);
    linger_no_more();
    job->syscalls++;
    job->waits += ready;
    return ready;
}
