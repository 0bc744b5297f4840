/*
 * The relay lane: threads that serve pairs. Each has an epoll set of its own, and a pair stays with the one that took
 * it, so a turn needs no lock and wakes no other thread; two flows that share descriptors never meet.
 *
 * Descriptors are watched edge-triggered. What JavaScript wants of a pair comes through an inbox.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "contexts.h"
#include "lanes.h"
#include "relay.h"
#include "threads.h"

#define MAX_RELAYS 4
#define IDLE_MS 10000
/* The tag of a relay's own eventfd: no pair is there. */
#define INBOX_TAG UINT64_MAX

static struct relay relays[MAX_RELAYS];

/* --- the end of a pair --- */

static void finish(struct relay *relay, struct pair *pair, uint32_t end)
{
    relay_forget(relay, pair);
    for (int i = 0; i < 2; i++)
        flow_settle(&pair->flow[i]);
    lock();
    relay->pairs--;
    pair->end = end;
    if (pair->posted) {
        struct pair **link = &relay->inbox;
        while (*link != pair)
            link = &(*link)->next;
        *link = pair->next;
        pair->posted = false;
    }
    if (pair->closing || !context_is_open(pair->context))
        pair_release(pair);
    else
        context_deliver_pair(pair);
    unlock();
}

static void finish_failed(struct relay *relay, struct pair *pair, int error, uint32_t failed)
{
    pair->error = error;
    pair->failed = failed;
    finish(relay, pair, SLUICE_PAIR_END_FAILED);
}

/*
 * A connection that breaks while nothing is read from it any more, and nothing has to be written to it yet, is found by
 * nothing else. Answers a positive errno, or 0.
 */
static int broken(struct pair *pair, int side)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (!pair->flow[side].ended || pair->flow[!side].ended) return 0;
    SYS(getsockopt, pair->side[side].fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

/* --- running --- */

static void run(struct relay *relay, struct pair *pair)
{
    struct relay_room room = {.buffer = relay->buffer, .size = RELAY_ROOM_BYTES};
    bool again = false;
    for (int from = 0; from < 2; from++) {
        switch (flow_run(pair, from, &room, relay->now)) {
        case FLOW_FAILED: finish(relay, pair, SLUICE_PAIR_END_FAILED); return;
        case FLOW_LIMIT: finish(relay, pair, SLUICE_PAIR_END_LIMIT); return;
        case FLOW_AGAIN: again = true; break;
        case FLOW_WAIT:
        case FLOW_ENDED: break;
        }
    }
    if (pair->flow[0].ended && pair->flow[1].ended) {
        finish(relay, pair, SLUICE_PAIR_END_ENDED);
        return;
    }
    for (int i = 0; i < 2; i++) {
        int failed = relay_watch(relay, pair, i);
        if (failed < 0) {
            finish_failed(relay, pair, -failed, SLUICE_SIDE_NONE);
            return;
        }
    }
    if (again) relay_make_ready(relay, pair);
}

static void take_event(struct relay *relay, const struct epoll_event *event)
{
    struct pair *pair = (struct pair *)(uintptr_t)(event->data.u64 & ~1ull);
    int which = (int)(event->data.u64 & 1);
    struct side *side = &pair->side[which];
    uint32_t lost = event->events & (EPOLLERR | EPOLLHUP);
    if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI) || lost) side->readable = true;
    if (event->events & EPOLLOUT || lost) side->writable = true;
    if (event->events & (EPOLLRDHUP | EPOLLPRI) || lost) side->distrusted = true;
    int error = event->events & EPOLLERR ? broken(pair, which) : 0;
    if (error)
        finish_failed(relay, pair, error, which == 0 ? SLUICE_SIDE_SOURCE : SLUICE_SIDE_TARGET);
    else
        relay_make_ready(relay, pair);
}

/* Takes one pair out of the inbox. */
static struct pair *take_posted(struct relay *relay)
{
    lock();
    struct pair *pair = relay->inbox;
    if (pair) {
        relay->inbox = pair->next;
        pair->next = NULL;
        pair->posted = false;
    }
    unlock();
    return pair;
}

static void read_inbox(struct relay *relay)
{
    uint64_t count;
    SYS(read, relay->inbox_fd, &count, sizeof count);
    for (struct pair *pair; (pair = take_posted(relay));) {
        if (atomic_load_explicit(&pair->cancel, memory_order_relaxed))
            finish(relay, pair, SLUICE_PAIR_END_STOPPED);
        else
            relay_make_ready(relay, pair);
    }
}

/* Answers how many events there were. */
static int turn(struct relay *relay)
{
    int64_t n =
        SYS(epoll_pwait, relay->epoll_fd, relay->events, RELAY_EVENTS, relay->first_ready ? 0 : IDLE_MS, NULL, 8);
    relay->now = clock_ns(CLOCK_MONOTONIC_COARSE);
    relay->fetched = n > 0 ? (int)n : 0;
    for (relay->event = 0; relay->event < relay->fetched; relay->event++) {
        const struct epoll_event *event = &relay->events[relay->event];
        if (event->data.u64 == INBOX_TAG)
            read_inbox(relay);
        else if (event->data.u64 != 0)
            take_event(relay, event);
    }
    int events = relay->fetched;
    relay->fetched = 0;
    /* Once each: what they make ready again comes behind the next events. */
    struct pair *last = relay->last_ready;
    for (bool more = last != NULL; more;) {
        struct pair *pair = relay_next_ready(relay);
        more = pair != last;
        run(relay, pair);
    }
    return events;
}

static void *relay_main(void *argument)
{
    struct relay *relay = argument;
    SYS(prctl, PR_SET_NAME, "sluice-relay", 0, 0, 0);
    for (bool staying = true; staying;) {
        if (turn(relay) > 0 || relay->first_ready) continue;
        lock();
        staying = relay->pairs > 0;
        if (!staying) relay->running = false;
        unlock();
    }
    return NULL;
}

/* --- giving them work. With the lock held. --- */

static int open_relay(struct relay *relay)
{
    if (relay->inbox_fd > 0) return 0;
    int64_t poller = keep_fd(SYS(epoll_create1, EPOLL_CLOEXEC));
    if (poller < 0) return (int)poller;
    int64_t counter = keep_fd(SYS(eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = INBOX_TAG};
    int64_t failed = counter < 0 ? counter : SYS(epoll_ctl, poller, EPOLL_CTL_ADD, counter, &event);
    if (failed < 0) {
        close_kept((int)counter);
        close_kept((int)poller);
        return (int)failed;
    }
    relay->epoll_fd = (int)poller;
    relay->inbox_fd = (int)counter;
    return 0;
}

static struct relay *least_busy(void)
{
    uint32_t cpus = usable_cpus();
    struct relay *found = relays;
    for (struct relay *relay = relays; relay < relays + (cpus < MAX_RELAYS ? cpus : MAX_RELAYS); relay++)
        if (relay->pairs < found->pairs) found = relay;
    return found;
}

void relays_post(struct pair *pair)
{
    struct relay *relay = pair->relay;
    uint64_t one = 1;
    if (pair->posted) return;
    pair->posted = true;
    pair->next = relay->inbox;
    relay->inbox = pair;
    SYS(write, relay->inbox_fd, &one, sizeof one);
}

int relays_take(struct pair *pair)
{
    struct relay *relay = least_busy();
    int failed = open_relay(relay);
    if (failed < 0) return failed;
    if (!lanes_attend()) return -EAGAIN;
    if (!relay->running && !thread_start(relay_main, relay)) return -EAGAIN;
    relay->running = true;
    relay->pairs++;
    pair->relay = relay;
    pair->state = PAIR_RUNNING;
    relays_post(pair);
    return 0;
}

uint32_t relays_running(void)
{
    uint32_t count = 0;
    for (struct relay *relay = relays; relay < relays + MAX_RELAYS; relay++)
        count += relay->running;
    return count;
}
