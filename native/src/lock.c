/* The engine's lock, and what has to wait until it is given back. */
#include "lock.h"

#include <stdlib.h>

pthread_mutex_t engine_lock = PTHREAD_MUTEX_INITIALIZER;

struct deferred {
    struct deferred *next;
    void (*act)(int32_t);
    int32_t what;
};

/* Guarded by the engine's lock. */
static struct deferred *deferred_calls;

bool defer(void (*act)(int32_t), int32_t what)
{
    struct deferred *deferred = malloc(sizeof *deferred);
    if (!deferred) return false;
    *deferred = (struct deferred){.next = deferred_calls, .act = act, .what = what};
    deferred_calls = deferred;
    return true;
}

void unlock(void)
{
    struct deferred *due = deferred_calls;
    deferred_calls = NULL;
    pthread_mutex_unlock(&engine_lock);
    while (due) {
        struct deferred *deferred = due;
        due = deferred->next;
        deferred->act(deferred->what);
        free(deferred);
    }
}
