/*
 * The engine's lock: one for all states. Turns run outside it and last hundreds of microseconds, so workers hardly
 * ever meet here.
 */
#ifndef SLUICE_LOCK_H
#define SLUICE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

extern pthread_mutex_t engine_lock;

static inline void lock(void)
{
    pthread_mutex_lock(&engine_lock);
}

/* And does what was deferred until now. */
void unlock(void);

/*
 * Calls `act` when the lock is given back: for what may take any time. With it held. False where there is no memory
 * for that.
 */
bool defer(void (*act)(int32_t), int32_t what);

#endif
