/* The engine's lock, and what has to wait until it is given back. */
#include <stdlib.h>

#include "lock.h"

pthread_mutex_t engine_lock = PTHREAD_MUTEX_INITIALIZER;

struct deed {
    struct deed *next;
    void (*act)(int32_t);
    int32_t what;
};

/* Guarded by the engine's lock. */
static struct deed *deeds;

bool put_off(void (*act)(int32_t), int32_t what)
{
    struct deed *deed = malloc(sizeof *deed);
    if (!deed) return false;
    *deed = (struct deed){.next = deeds, .act = act, .what = what};
    deeds = deed;
    return true;
}

void unlock(void)
{
    struct deed *due = deeds;
    deeds = NULL;
    pthread_mutex_unlock(&engine_lock);
    while (due) {
        struct deed *deed = due;
        due = deed->next;
        deed->act(deed->what);
        free(deed);
    }
}
