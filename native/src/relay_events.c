/* What a relay hears of the descriptors of its pairs, edge-triggered, and which of them can do something. */
#include "relay.h"

/* --- tags: the address of a pair, whose slot is never given back, and one of its sides --- */

static uint64_t side_tag(const struct pair *pair, int side)
{
    return (uint64_t)(uintptr_t)pair | (uint64_t)side;
}

_Static_assert(_Alignof(struct pair) >= 2, "the lowest bit of a pair's address is free for its side");

/* Forgets the events of a pair that has ended: the slot may be another's by the time they are looked at. */
static void drop_events(struct relay *relay, const struct pair *pair)
{
    for (int i = relay->event + 1; i < relay->fetched; i++)
        if ((relay->events[i].data.u64 & ~1ull) == side_tag(pair, 0)) relay->events[i].data.u64 = 0;
}

/* --- the list of those that can do something --- */

void relay_make_ready(struct relay *relay, struct pair *pair)
{
    if (pair->ready) return;
    pair->ready = true;
    pair->ready_next = NULL;
    if (relay->last_ready)
        relay->last_ready->ready_next = pair;
    else
        relay->first_ready = pair;
    relay->last_ready = pair;
}

struct pair *relay_next_ready(struct relay *relay)
{
    struct pair *pair = relay->first_ready;
    relay->first_ready = pair->ready_next;
    if (!relay->first_ready) relay->last_ready = NULL;
    pair->ready = false;
    return pair;
}

static void unready(struct relay *relay, struct pair *pair)
{
    if (!pair->ready) return;
    struct pair *before = NULL;
    for (struct pair *each = relay->first_ready; each != pair; each = each->ready_next)
        before = each;
    *(before ? &before->ready_next : &relay->first_ready) = pair->ready_next;
    if (relay->last_ready == pair) relay->last_ready = before;
    pair->ready = false;
}

/* --- watching --- */

/*
 * EPOLLOUT is asked for once a send had to wait: a Unix socket tells of room whenever its peer has read anything.
 * Changing what is watched looks again, so an edge between the two calls isn't missed.
 */
int relay_watch(struct relay *relay, struct pair *pair, int which)
{
    struct side *side = &pair->side[which];
    uint32_t wanted =
        EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET | (side->writable ? side->watched & EPOLLOUT : EPOLLOUT);
    if (wanted == side->watched) return 0;
    struct epoll_event event = {.events = wanted, .data.u64 = side_tag(pair, which)};
    int64_t failed = SYS(epoll_ctl, relay->epoll_fd, side->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, side->fd, &event);
    if (failed == 0) side->watched = wanted;
    return (int)failed;
}

static void unwatch(struct relay *relay, struct side *side)
{
    /* A duplicate's registration outlives its close(2) while the runtime's descriptor is open. */
    if (side->watched) SYS(epoll_ctl, relay->epoll_fd, EPOLL_CTL_DEL, side->fd, NULL);
    side->watched = 0;
}

void relay_forget(struct relay *relay, struct pair *pair)
{
    drop_events(relay, pair);
    unready(relay, pair);
    for (int i = 0; i < 2; i++)
        unwatch(relay, &pair->side[i]);
}
