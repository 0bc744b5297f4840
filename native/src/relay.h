/* One of the threads that serve pairs, and what it hears of their descriptors. */
#ifndef SLUICE_RELAY_H
#define SLUICE_RELAY_H

#include <sys/epoll.h>

#include "pair.h"

#define RELAY_EVENTS 64
/* What one recv(2) takes at most. */
#define RELAY_ROOM_BYTES (64 * 1024)

struct relay {
    int epoll_fd; /* 0 before the first thread: descriptors are never given back */
    int inbox_fd;
    bool running; /* it has a thread */
    uint32_t pairs;
    struct pair *inbox; /* guarded by the engine's lock; the rest below is the thread's own */
    struct pair *first_ready;
    struct pair *last_ready;
    struct epoll_event events[RELAY_EVENTS];
    int event; /* the one that is looked at */
    int fetched;
    int64_t now;
    char buffer[RELAY_ROOM_BYTES];
};

/* Puts a pair at the end of those that can do something, unless it is among them. */
void relay_make_ready(struct relay *relay, struct pair *pair);
/* Takes the first of those. */
struct pair *relay_next_ready(struct relay *relay);

/* Watches for what the pair's side waits for. 0 or -errno. */
int relay_watch(struct relay *relay, struct pair *pair, int which);
/* Watches it no more, and forgets what was heard of it. */
void relay_forget(struct relay *relay, struct pair *pair);

#endif
