/* The epoll set that the prompt lane's workers share: it tells one of them of a tag. */
#ifndef SLUICE_POLLER_H
#define SLUICE_POLLER_H

#include "work.h"

bool poller_is_open(void);
/* Opens it with a bell in it, edge-triggered. 0 or -errno. */
int poller_open(int bell, uint64_t tag);
/*
 * Waits for the next tag, at most so long; false without one, and `is_idle` where the time is over. Without the lock.
 */
bool poller_wait(uint32_t ms, uint64_t *tag, bool *is_idle);

/* Arms an end, once. 0 or -errno. */
int poller_watch(struct end *end, uint32_t events, uint64_t tag);
/* Takes all of its ends out. */
void poller_forget(struct work *work);

/* Watches a descriptor of a context for the loss of its reader. 0 or -errno. */
int poller_watch_loss(int fd, uint64_t tag);
void poller_unwatch_loss(int fd);

#endif
