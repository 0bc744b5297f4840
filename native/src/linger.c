/* A moment's wait for the other end of a pipe or a ring, instead of leaving that to epoll. */
#include <poll.h>

#include "ring.h"
#include "work.h"

#define LINGER_MS 1

/* The end that a turn waits for. */
static struct end *end_awaited(struct work *work, enum turn turn)
{
    return turn == TURN_WAIT_SOURCE ? &work->source : turn == TURN_WAIT_TARGET ? &work->target : NULL;
}

static bool await_briefly(struct work *work, const struct end *end, short events)
{
    if (end->ring) return ring_await(end->ring, work->wants, LINGER_MS);
    struct pollfd entry = {.fd = end->fd, .events = events};
    struct timespec timeout = {.tv_nsec = LINGER_MS * 1000000};
    return SYS(ppoll, &entry, 1, &timeout, NULL, 0) > 0;
}

/* Whom it may be worth waiting for. The prompt lane has better to do than to wait for the peers of sockets. */
static bool is_quick(const struct end *end, const struct lane *lane)
{
    return end->ring || end->kind == SLUICE_KIND_PIPE || (lane->may_block && end->pollable);
}

bool is_worth_waiting(struct work *work, const struct lane *lane, enum turn turn)
{
    struct end *end = end_awaited(work, turn);
    return end && !is_cancelled(work) && is_quick(end, lane);
}

bool wait_briefly(struct work *work, enum turn turn)
{
    bool ready = await_briefly(work, end_awaited(work, turn), turn == TURN_WAIT_SOURCE ? POLLIN : POLLOUT);
    work->syscalls++;
    work->waits += ready;
    return ready;
}
