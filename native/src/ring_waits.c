/*
 * One thread sleeps for all jobs that wait for a ring: on up to 127 futexes at once (futex_waitv(2), Linux 5.16) and
 * a bell of our own. Where there are more of them, or the kernel lacks the call, it looks at them every other
 * millisecond.
 *
 * It never sleeps for longer than SLUICE_RING_LIMIT_CHECK_MS while a job waits, and then asks for each whether its
 * other side still lives: a process that was killed rings no bell.
 */
#include <linux/futex.h>
#include <sys/prctl.h>

#include "queue.h"
#include "ring_table.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* the same on all machines */
#endif

#define MOST_FUTEXES 128 /* FUTEX_WAITV_MAX */
#define PRIVATE_FUTEX (2 /* FUTEX2_SIZE_U32 */ | FUTEX_PRIVATE_FLAG)
#define SHARED_FUTEX 2
#define IDLE_MS 10000
#define POLL_MS 2

struct futex {
    uint64_t value;
    uint64_t address;
    uint32_t flags;
    uint32_t reserved;
};

static struct queue waits; /* of jobs */
static bool is_running;
static bool lacks_waitv;
static _Atomic uint32_t bell;

uint32_t ring_waits(void)
{
    return waits.length;
}

static void ring_the_bell(void)
{
    atomic_fetch_add(&bell, 1);
    SYS(futex, &bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void take_out(struct job *job)
{
    queue_unlink(job);
    ring_announce(job->awaited, 0);
    job->awaited = NULL;
}

/* --- sleeping --- */

static int64_t sleep_on(const struct futex *futexes, uint32_t count, uint32_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (count > 1) return SYS(futex_waitv, futexes, count, 0, &until, CLOCK_MONOTONIC);
    return SYS(futex, &bell, FUTEX_WAIT_BITSET_PRIVATE, futexes[0].value, &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* Entered and left with the lock held. False when none has waited for a while. */
static bool sleep_once(void)
{
    struct futex futexes[MOST_FUTEXES];
    uint32_t count = 0;
    futexes[count++] = (struct futex){atomic_load(&bell), (uintptr_t)&bell, PRIVATE_FUTEX, 0};
    bool polls = waits.length > 0 && (lacks_waitv || waits.length >= MOST_FUTEXES);
    for (struct job *job = polls ? NULL : waits.head; job; job = job->next)
        futexes[count++] = (struct futex){job->work.wants, (uintptr_t)ring_word(job->awaited), SHARED_FUTEX, 0};
    uint32_t ms = polls ? POLL_MS : waits.length ? SLUICE_RING_LIMIT_CHECK_MS : IDLE_MS;
    bool idle = waits.length == 0;
    unlock();
    int64_t answer = sleep_on(futexes, count, ms);
    lock();
    if (count > 1 && (answer == -ENOSYS || answer == -EPERM)) lacks_waitv = true;
    return !(idle && answer == -ETIMEDOUT && waits.length == 0);
}

static void serve(void)
{
    for (struct job *job = waits.head, *next; job; job = next) {
        next = job->next;
        struct ring *ring = job->awaited;
        /* First the word, then the look: see ring_flow.c. */
        ring_announce(ring, job->work.wants);
        if (!ring_is_ready(ring, job->work.wants)) continue;
        take_out(job);
        job->resume(job);
    }
}

static void *waiter_main(void *argument)
{
    (void)argument;
    SYS(prctl, PR_SET_NAME, "sluice-ring", 0, 0, 0);
    lock();
    do
        serve();
    while (sleep_once());
    is_running = false;
    unlock();
    return NULL;
}

int ring_wait(struct job *job, struct ring *ring, resume_job *resume)
{
    if (ring_is_ready(ring, job->work.wants)) return 0;
    if (!is_running && !(is_running = thread_start(waiter_main, NULL))) return -EAGAIN;
    job->state = JOB_WAITING;
    job->awaited = ring;
    job->resume = resume;
    job->work.syscalls += 2; /* its share of going to sleep and of being woken */
    queue_append(&waits, job);
    /* The sleeper announces it, and looks at all of them again before it sleeps. */
    ring_the_bell();
    return 1;
}

void ring_unwait(struct job *job)
{
    take_out(job);
    ring_the_bell();
}
