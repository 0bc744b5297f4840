/* Worker threads, made when there is more work than they can take, gone when there has been none for a while. */
#include "threads.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define BUFFER_BYTES (256 * 1024)
/* glibc takes the process's static TLS, which a runtime can make large, out of this. */
#define STACK_BYTES (512 * 1024)

uint32_t usable_cpus(void)
{
    unsigned long mask[16] = {0};
    int64_t bytes = SYS(sched_getaffinity, 0, sizeof mask, mask);
    uint32_t count = 0;
    /* Bit by bit: __builtin_popcountl may call into libgcc, which is not loaded for us. */
    for (int64_t bit = 0; bit < bytes * 8; bit++)
        count += mask[bit / 64] >> (bit % 64) & 1;
    return count ? count : 1;
}

struct thread {
    struct pool *pool;
    struct lane lane;
    char buffer[BUFFER_BYTES];
};

static void *thread_main(void *argument)
{
    struct thread *self = argument;
    SYS(prctl, PR_SET_NAME, self->pool->name, 0, 0, 0);
    lock();
    self->pool->serve(self->pool, &self->lane);
    self->pool->threads--;
    unlock();
    free(self);
    return NULL;
}

/*
 * All signals are blocked in our threads: one that is meant for the runtime is never taken here,
 * and SIGPIPE and SIGXFSZ, which the kernel sends to the thread at fault, end no process.
 */
bool thread_start(void *(*main)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool created = pthread_create(&thread, &attributes, main, argument) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return created;
}

static void thread_add(struct pool *pool)
{
    struct thread *self = malloc(sizeof *self);
    if (!self) return;
    self->pool = pool;
    self->lane = (struct lane){.buffer = self->buffer, .buffer_size = BUFFER_BYTES, .may_block = pool->may_block};
    if (thread_start(thread_main, self))
        pool->threads++;
    else
        free(self);
}

bool pool_staff(struct pool *pool, uint32_t work)
{
    if (work > pool->idle && pool->threads < pool->most) thread_add(pool);
    return pool->threads > 0;
}
