/* The life of a job, from the descriptors that are handed in to the outcome that is handed back. */
#include "engine.h"

#include <fcntl.h>

pthread_mutex_t engine_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * The runtime may close its socket, and get the same number back for another client, while a job is
 * in flight: a job only ever touches duplicates of its own.
 */
static int duplicate(struct end *end, int fd)
{
    int64_t copy = SYS(fcntl, fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return (int)copy;
    int described = end_describe(end, (int)copy);
    if (described < 0) SYS(close, copy);
    return described;
}

static enum residency residency_of(const struct end *source)
{
    bool on_disk = source->kind == SLUICE_KIND_FILE || source->kind == SLUICE_KIND_BLOCK_DEVICE;
    return on_disk ? RESIDENCY_COUNTED : RESIDENCY_ALWAYS;
}

static int32_t job_open(int32_t context, int source, int target)
{
    if (!context_is_open(context)) return -EBADF;
    struct job *job = job_allocate(context);
    if (!job) return -ENOMEM;
    int failed = duplicate(&job->source, source);
    if (failed == 0) {
        failed = duplicate(&job->target, target);
        if (failed < 0) close_fd(&job->source.fd);
    }
    if (failed < 0) {
        job_free(job);
        return failed;
    }
    job->pipe = (struct pipe_pair){.read_fd = -1, .write_fd = -1};
    job->residue = NULL;
    job->pending = 0;
    job->residency = residency_of(&job->source);
    return job_handle(job);
}

void job_release(struct job *job)
{
    lanes_forget(job);
    job_discard(job);
    close_fd(&job->source.fd);
    close_fd(&job->target.fd);
    job_free(job);
}

void job_end(struct job *job, uint32_t end)
{
    job_settle(job);
    job->end = end;
    if (job->closing || !context_is_open(job->context))
        job_release(job);
    else
        context_deliver(job);
}

void job_abandon(struct job *job)
{
    job->closing = true;
    atomic_store_explicit(&job->cancel, true, memory_order_relaxed);
    if (job->state == JOB_IDLE || (job->state == JOB_ENDED && !context_is_open(job->context)))
        job_release(job);
    else if (lanes_withdraw(job))
        job_end(job, SLUICE_END_CANCELLED);
    /* Else a worker or the context's list has it, and frees it when done. */
}

static int32_t job_start(int32_t handle, const struct sluice_request *request)
{
    struct job *job = job_find(handle);
    run_turn *run = mechanism(request->strategy);
    if (!job) return -EBADF;
    if (!run) return -EINVAL;
    if (job->state != JOB_IDLE) return -EBUSY;
    job_discard(job);
    job_prepare(job, request, run);
    if (is_complete(job))
        job_end(job, SLUICE_END_DONE);
    else
        lanes_start_job(job);
    return 0;
}

static int32_t job_cancel(int32_t handle)
{
    struct job *job = job_find(handle);
    if (!job) return -EBADF;
    if (job->state == JOB_IDLE || job->state == JOB_ENDED) return 0;
    atomic_store_explicit(&job->cancel, true, memory_order_relaxed);
    if (lanes_withdraw(job)) job_end(job, SLUICE_END_CANCELLED);
    return 0;
}

static int32_t job_replace_source(int32_t handle, int fd)
{
    struct job *job = job_find(handle);
    struct end source;
    if (!job) return -EBADF;
    if (job->state != JOB_IDLE) return -EBUSY;
    int failed = duplicate(&source, fd);
    if (failed < 0) return failed;
    lanes_forget(job);
    close_fd(&job->source.fd);
    job->source = source;
    job->residency = residency_of(&source);
    return 0;
}

int32_t sluice_job_open(int32_t context, int32_t source, int32_t target)
{
    lock();
    int32_t handle = job_open(context, source, target);
    unlock();
    return handle;
}

int32_t sluice_job_start(int32_t handle, void *request)
{
    lock();
    int32_t result = job_start(handle, request);
    unlock();
    return result;
}

int32_t sluice_job_cancel(int32_t handle)
{
    lock();
    int32_t result = job_cancel(handle);
    unlock();
    return result;
}

int32_t sluice_job_progress(int32_t handle, void *bytes)
{
    lock();
    struct job *job = job_find(handle);
    if (job) *(int64_t *)bytes = atomic_load_explicit(&job->moved, memory_order_relaxed);
    unlock();
    return job ? 0 : -EBADF;
}

int32_t sluice_job_residue(int32_t handle, void *bytes, uint32_t capacity)
{
    lock();
    struct job *job = job_find(handle);
    int32_t result = !job ? -EBADF : job->state == JOB_IDLE ? job_residue(job, bytes, capacity) : -EBUSY;
    unlock();
    return result;
}

int32_t sluice_job_replace_source(int32_t handle, int32_t source)
{
    lock();
    int32_t result = job_replace_source(handle, source);
    unlock();
    return result;
}

int32_t sluice_job_outstanding(int32_t handle)
{
    lock();
    struct job *job = job_find(handle);
    int32_t result = job ? end_outstanding(&job->target) : -EBADF;
    unlock();
    return result;
}

int32_t sluice_job_close(int32_t handle)
{
    lock();
    struct job *job = job_find(handle);
    if (job) job_abandon(job);
    unlock();
    return job ? 0 : -EBADF;
}

int32_t sluice_census(void *census)
{
    struct sluice_census *answer = census;
    lock();
    contexts_sweep();
    *answer = (struct sluice_census){
        .contexts = contexts_open(), .jobs = jobs_open(), .pooled_pipes = pipes_pooled(), .leases = leases_open(),
        .pairs = pairs_open(), .relays = relays_running()};
    lanes_count(&answer->workers, &answer->blocking_workers);
    unlock();
    return 0;
}

int32_t sluice_abi_fingerprint(void)
{
    return SLUICE_ABI_FINGERPRINT;
}
