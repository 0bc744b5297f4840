/* A job's ends: taken when it is opened, replaced, and released. */
#include <fcntl.h>

#include "closing.h"
#include "contexts.h"
#include "mechanisms.h"
#include "poller.h"
#include "ring_table.h"
#include "tee.h"

/*
 * The runtime may close its socket, and get the same number back for another client, while a job is
 * in flight: a job only ever touches duplicates of its own.
 */
static int duplicate(struct end *end, int fd)
{
    int64_t copy = keep_fd(SYS(fcntl, fd, F_DUPFD_CLOEXEC, 0));
    if (copy < 0) return (int)copy;
    int described = end_describe(end, (int)copy);
    if (described < 0) defer_close((int)copy);
    return described;
}

/* A descriptor, or a ring by its negated handle: the least handle is far above 1. */
static int hold(struct end *end, int32_t context, int number)
{
    if (number >= -1) return duplicate(end, number);
    struct ring *ring = ring_refer(context, -number);
    if (!ring) return -EBADF;
    *end = (struct end){.fd = -1, .kind = SLUICE_KIND_RING, .nonblocking = true, .ring = ring};
    return 0;
}

static void release(struct end *end)
{
    if (end->ring) ring_drop(end->ring);
    end->ring = NULL;
    defer_close_end(end);
}

static enum residency residency_of(const struct end *source)
{
    bool on_disk = source->kind == SLUICE_KIND_FILE || source->kind == SLUICE_KIND_BLOCK_DEVICE;
    return on_disk ? RESIDENCY_UNASKED : RESIDENCY_ALWAYS;
}

int32_t job_opened(struct job *job)
{
    job->work.pipe = (struct pipe_pair){.read_fd = -1, .write_fd = -1};
    job->work.residue = NULL;
    job->work.pending = 0;
    job->work.memory = (struct memory){0};
    job->work.tee = NULL;
    job->awaited = NULL;
    job->has_begun = false;
    job->work.residency = residency_of(&job->work.source);
    return job_handle(job);
}

static int32_t ring_job_open(int32_t handle)
{
    int32_t context = ring_context(handle);
    struct job *job = context_is_open(context) ? job_allocate(context) : NULL;
    if (!job) return context_is_open(context) ? -ENOMEM : -EBADF;
    hold(&job->work.source, context, -handle);
    job->work.target = (struct end){.fd = -1};
    return job_opened(job);
}

static int32_t job_open(int32_t context, int source, int target)
{
    if (!context_is_open(context)) return -EBADF;
    struct job *job = job_allocate(context);
    if (!job) return -ENOMEM;
    int failed = hold(&job->work.source, context, source);
    if (failed == 0) {
        failed = hold(&job->work.target, context, target);
        if (failed < 0) release(&job->work.source);
    }
    if (failed < 0) {
        job_free(job);
        return failed;
    }
    return job_opened(job);
}

static const struct end nothing = {.fd = -1, .kind = SLUICE_KIND_MEMORY, .nonblocking = true};

static int32_t job_open_memory(int32_t context, const char *bytes, const struct sluice_memory *memory, int target)
{
    if (!context_is_open(context)) return -EBADF;
    struct job *job = job_allocate(context);
    if (!job) return -ENOMEM;
    char *copy = memory->copy ? memory_copy_of(bytes, memory->length) : NULL;
    int failed = memory->copy && !copy ? -ENOMEM : duplicate(&job->work.target, target);
    if (failed < 0) {
        memory_free_copy(copy, memory->length);
        job_free(job);
        return failed;
    }
    job->work.source = nothing;
    int32_t handle = job_opened(job);
    memory_hold(&job->work, bytes, memory->length, copy);
    return handle;
}

static int32_t job_open_tee(int32_t context, int source, struct sluice_outlet *outlets, uint32_t count, uint32_t bytes)
{
    if (!context_is_open(context)) return -EBADF;
    struct job *job = job_allocate(context);
    if (!job) return -ENOMEM;
    int failed = duplicate(&job->work.source, source);
    struct tee *tee = NULL;
    if (failed == 0) {
        failed = tee_open(&tee, outlets, count, bytes);
        if (failed < 0) defer_close_end(&job->work.source);
    }
    if (failed < 0) {
        job_free(job);
        return failed;
    }
    job->work.target = (struct end){.fd = -1, .kind = SLUICE_KIND_PIPE, .nonblocking = true, .pollable = true};
    int32_t handle = job_opened(job);
    job->work.tee = tee;
    return handle;
}

void job_release_ends(struct job *job)
{
    release(&job->work.source);
    release(&job->work.target);
}

static int32_t job_replace_source(int32_t handle, int fd)
{
    struct job *job = job_find(handle);
    struct end source;
    if (!job) return -EBADF;
    if (job->work.memory.bytes) return -EINVAL;
    if (job->state != JOB_IDLE) return -EBUSY;
    int failed = duplicate(&source, fd);
    if (failed < 0) return failed;
    poller_forget(&job->work);
    release(&job->work.source);
    job->work.source = source;
    job->work.residency = residency_of(&source);
    return 0;
}

int32_t sluice_job_open(int32_t context, int32_t source, int32_t target)
{
    lock();
    int32_t handle = job_open(context, source, target);
    unlock();
    return handle;
}

int32_t sluice_ring_job(int32_t ring)
{
    lock();
    int32_t handle = ring_job_open(ring);
    unlock();
    return handle;
}

int32_t sluice_job_open_memory(int32_t context, void *bytes, void *memory, int32_t target)
{
    lock();
    int32_t handle = job_open_memory(context, bytes, memory, target);
    unlock();
    return handle;
}

int32_t sluice_job_open_tee(int32_t context, int32_t source, void *outlets, uint32_t count, uint32_t capacity)
{
    lock();
    int32_t handle = job_open_tee(context, source, outlets, count, capacity);
    unlock();
    return handle;
}

int32_t sluice_job_replace_source(int32_t handle, int32_t source)
{
    lock();
    int32_t result = job_replace_source(handle, source);
    unlock();
    return result;
}
