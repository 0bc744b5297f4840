/*
 * The engine as a whole: the contexts of isolates, and all that ends with one. The files below are handed functions
 * of this one (lanes.h), and call none by name.
 */
#include "contexts.h"
#include "lanes.h"
#include "lease.h"
#include "mappings.h"
#include "mechanisms.h"
#include "ring_table.h"

/* All that an isolate had goes with its context. */
static void context_kill(int32_t handle)
{
    if (!context_remove(handle)) return;
    jobs_of(handle, job_abandon);
    pairs_abandon(handle);
    leases_release(handle);
    defer(maps_orphaned, handle);
    rings_release(handle);
}

/* Whether one of several contexts may be lost unseen and leave what only a thread of ours would close. */
static bool may_lose_context(void)
{
    return contexts_open() > 1 && maps_open() + leases_open() > 0;
}

static const struct lanes_owner owner = {.settle = job_end, .lost = context_kill, .may_lose = may_lose_context};

static int32_t context_start(void)
{
    contexts_lost(context_kill);
    int failed = lanes_start(&owner);
    return failed < 0 ? failed : context_add();
}

static uint32_t reap(int32_t handle, struct sluice_outcome *outcomes, uint32_t capacity)
{
    uint32_t count = 0;
    for (struct job *job; count < capacity && (job = context_take_job(handle));) {
        if (job->closing) {
            job_release(job);
            continue;
        }
        job_report(job, &outcomes[count++]);
        if (job->is_last && job->end == SLUICE_END_DONE) job_release(job);
    }
    return count;
}

static uint32_t reap_pairs(int32_t handle, struct sluice_pair_outcome *outcomes, uint32_t capacity)
{
    uint32_t count = 0;
    for (struct pair *pair; count < capacity && (pair = context_take_pair(handle));) {
        if (pair->closing)
            pair_release(pair);
        else
            pair_report(pair, &outcomes[count++]);
    }
    return count;
}

int32_t sluice_context_open(void)
{
    lock();
    int32_t handle = context_start();
    unlock();
    return handle;
}

int32_t sluice_context_close(int32_t handle)
{
    lock();
    bool found = context_is_open(handle);
    context_kill(handle);
    unlock();
    return found ? 0 : -EBADF;
}

int32_t sluice_reap(int32_t handle, void *outcomes, uint32_t capacity)
{
    lock();
    int32_t count = context_is_open(handle) ? (int32_t)reap(handle, outcomes, capacity) : -EBADF;
    unlock();
    return count;
}

int32_t sluice_pair_reap(int32_t handle, void *outcomes, uint32_t capacity)
{
    lock();
    int32_t count = context_is_open(handle) ? (int32_t)reap_pairs(handle, outcomes, capacity) : -EBADF;
    unlock();
    return count;
}

int32_t sluice_census(void *census)
{
    struct sluice_census *answer = census;
    lock();
    contexts_lost(context_kill);
    *answer = (struct sluice_census){
        .contexts = contexts_open(),
        .jobs = jobs_open(),
        .leases = leases_open(),
        .pairs = pairs_open(),
        .relays = relays_running(),
        .ring_waits = ring_waits(),
        .descriptors = (uint32_t)atomic_load_explicit(&kept_fds, memory_order_relaxed),
        .pairs_closed = pairs_closed(),
        .mapped_bytes = mappings_bytes(),
        .memory_bytes = memory_held(),
    };
    answer->pooled_pipes = pipes_pooled(&answer->pipe_bytes);
    answer->rings = rings_open(&answer->ring_bytes);
    jobs_count(&answer->running, &answer->attempts);
    lanes_count(&answer->workers, &answer->blocking_workers);
    unlock();
    return 0;
}

int32_t sluice_abi_fingerprint(void)
{
    return SLUICE_ABI_FINGERPRINT;
}
