/* SIGXFSZ, kept from a thread that is not ours while it writes to a file. */
#include "shield.h"

#include <pthread.h>
#include <time.h>

void shield(sigset_t *before)
{
    sigset_t fatal;
    sigemptyset(&fatal);
    sigaddset(&fatal, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &fatal, before);
}

void unshield(const sigset_t *before)
{
    sigset_t fatal;
    struct timespec now = {0};
    sigemptyset(&fatal);
    sigaddset(&fatal, SIGXFSZ);
    if (!sigismember(before, SIGXFSZ))
        while (sigtimedwait(&fatal, NULL, &now) == SIGXFSZ)
            ;
    pthread_sigmask(SIG_SETMASK, before, NULL);
}
