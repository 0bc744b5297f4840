/* Pools of worker threads. All with the engine's lock held. */
#ifndef SLUICE_THREADS_H
#define SLUICE_THREADS_H

#include "lock.h"
#include "work.h"

/* Starts a detached thread that blocks all signals. */
bool thread_start(void *(*main)(void *), void *argument);

struct pool {
    uint32_t threads;
    uint32_t idle;
    uint32_t most;
    const char *name;
    /* What a thread does, entered and left with the lock held; it ends when this returns. */
    void (*serve)(struct pool *pool, struct lane *lane);
    bool may_block;
};

/* Adds a thread when more work waits than threads do. False when there is none to do it. */
bool pool_staff(struct pool *pool, uint32_t work);

/* How many CPUs this process may run on; at least 1. */
uint32_t usable_cpus(void);

#endif
