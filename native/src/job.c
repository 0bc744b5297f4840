/* The life of a job, from the descriptors that are handed in to the outcome that is handed back. */
#include "job.h"

#include "closing.h"
#include "contexts.h"
#include "lanes.h"
#include "mechanisms.h"
#include "poller.h"
#include "ring_table.h"
#include "tee.h"

void job_release(struct job *job)
{
    poller_forget(&job->work);
    work_discard(&job->work);
    memory_release(&job->work);
    tee_release(&job->work);
    job_release_ends(job);
    job_free(job);
}

/* Attempts, with the lock held. */
static uint32_t running;
static int64_t ended;

void jobs_count(uint32_t *under_way, int64_t *done)
{
    *under_way = running;
    *done = ended;
}

/* Only one at a time moves a ring's positions. */
static int enter_rings(struct job *job)
{
    struct ring *from = job->work.source.ring, *to = job->work.target.ring;
    int failed = from ? ring_enter(from, job) : 0;
    if (failed == 0 && to) failed = ring_enter(to, job);
    if (failed < 0 && from) ring_leave(from, job);
    return failed;
}

static void leave_rings(struct job *job)
{
    if (job->work.source.ring) ring_leave(job->work.source.ring, job);
    if (job->work.target.ring) ring_leave(job->work.target.ring, job);
}

void job_end(struct job *job, uint32_t end)
{
    work_settle(&job->work, defer_close);
    leave_rings(job);
    running--;
    ended++;
    job->end = end;
    if (job->closing || !context_is_open(job->context))
        job_release(job);
    else
        context_deliver(job);
}

void job_report(struct job *job, struct sluice_outcome *outcome)
{
    job->state = JOB_IDLE;
    *outcome = (struct sluice_outcome){
        .job = job_handle(job),
        .end = job->end,
        .bytes = atomic_load_explicit(&job->work.moved, memory_order_relaxed),
        .stranded = job->work.stranded,
        .error = job->end == SLUICE_END_ERROR ? job->work.error : 0,
        .failed = job->end == SLUICE_END_ERROR ? job->work.failed : SLUICE_SIDE_NONE,
        .syscalls = job->work.syscalls,
        .waits = job->work.waits,
        .cpu_ns = job->work.cpu_ns,
        .copied = zerocopy_copied(&job->work),
        .held = zerocopy_held(&job->work),
    };
}

void job_abandon(struct job *job)
{
    job->closing = true;
    atomic_store_explicit(&job->work.cancel, true, memory_order_relaxed);
    if (job->state == JOB_IDLE || (job->state == JOB_ENDED && !context_is_open(job->context)))
        job_release(job);
    else if (lanes_withdraw(job))
        job_end(job, SLUICE_END_CANCELLED);
    /* Else a worker or the context's list has it, and frees it when done. */
}

/* What lies behind the caller's memory is not to be sent. */
static bool is_outside(const struct job *job, const struct sluice_request *request)
{
    if (!job->work.memory.bytes || request->flags & SLUICE_REQUEST_SETTLE) return false;
    return request->offset < 0 || request->length < 0 || request->offset > job->work.memory.length ||
           request->length > job->work.memory.length - request->offset;
}

static bool is_wait(const struct sluice_request *request)
{
    return request->flags & (SLUICE_REQUEST_WAIT_DATA | SLUICE_REQUEST_WAIT_ROOM);
}

static int32_t job_start_wait(struct job *job, const struct sluice_request *request)
{
    struct ring *ring = job->work.source.ring;
    bool for_data = request->flags & SLUICE_REQUEST_WAIT_DATA;
    bool makes_sense =
        ring && job->work.target.fd < 0 && request->length > 0 && request->length <= (int64_t)ring->capacity;
    int failed = makes_sense ? ring_claim(ring, for_data ? RING_READER : RING_WRITER) : -EINVAL;
    if (failed < 0) {
        leave_rings(job);
        return failed;
    }
    running++;
    job->waits_only = true;
    job->work.wants = (uint32_t)request->length;
    lanes_dispatch(job, TURN_WAIT_SOURCE);
    return 0;
}

/* Lets a job go on that has begun on a thread which could not wait. */
static int32_t job_resume(struct job *job, const struct sluice_request *request)
{
    if (!job->has_begun) return -EINVAL;
    if (!lanes_staff()) return -EAGAIN;
    work_resume(&job->work);
    job->has_begun = false;
    job->waits_only = false;
    job->is_last = request->flags & SLUICE_REQUEST_LAST;
    running++;
    lanes_dispatch(job, job->after);
    return 0;
}

/* `queued` becomes true where lanes_call() is due. */
static int32_t job_start(int32_t handle, const struct sluice_request *request, bool *queued)
{
    struct job *job = job_find(handle);
    if (!job) return -EBADF;
    if (request->flags & SLUICE_REQUEST_RESUME) return job->state == JOB_IDLE ? job_resume(job, request) : -EBUSY;
    run_turn *run = mechanism_for(&job->work, request);
    /* Memory may be held by the kernel beyond the end. */
    bool is_held = job->work.memory.bytes && request->flags & SLUICE_REQUEST_LAST;
    if (!run || is_held || is_outside(job, request)) return -EINVAL;
    if (job->state != JOB_IDLE) return -EBUSY;
    bool is_at_end = request->length == 0 && !tee_has_head(&job->work);
    if (!is_wait(request) && !is_at_end && !lanes_staff()) return -EAGAIN;
    int failed = enter_rings(job);
    if (failed < 0) return failed;
    work_discard(&job->work);
    work_prepare(&job->work, request, run);
    job->has_begun = false;
    job->awaited = NULL;
    job->waits_only = false;
    job->is_last = request->flags & SLUICE_REQUEST_LAST;
    if (is_wait(request)) return job_start_wait(job, request);
    running++;
    if (is_complete(&job->work) && !tee_has_head(&job->work))
        job_end(job, SLUICE_END_DONE);
    else
        *queued = lanes_start_job(job);
    return 0;
}

static int32_t job_cancel(int32_t handle)
{
    struct job *job = job_find(handle);
    if (!job) return -EBADF;
    if (job->state == JOB_IDLE || job->state == JOB_ENDED) return 0;
    atomic_store_explicit(&job->work.cancel, true, memory_order_relaxed);
    if (lanes_withdraw(job)) job_end(job, SLUICE_END_CANCELLED);
    return 0;
}

int32_t sluice_tee_feed(int32_t handle, void *bytes, uint32_t length)
{
    lock();
    struct job *job = job_find(handle);
    int32_t result = !job ? -EBADF : !job->work.tee ? -EINVAL : job->state != JOB_IDLE ? -EBUSY : 0;
    if (result == 0) result = tee_feed(job->work.tee, bytes, length);
    unlock();
    return result;
}

int32_t sluice_tee_blocked(int32_t handle)
{
    lock();
    struct job *job = job_find(handle);
    int32_t result = !job ? -EBADF : !job->work.tee ? -EINVAL : -EAGAIN;
    if (result == -EAGAIN && job->state == JOB_WAITING) result = tee_waits_for(job->work.tee);
    unlock();
    return result;
}

int32_t sluice_job_start(int32_t handle, void *request)
{
    bool queued = false;
    lock();
    int32_t result = job_start(handle, request, &queued);
    unlock();
    if (queued) lanes_call();
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
    if (job) *(int64_t *)bytes = atomic_load_explicit(&job->work.moved, memory_order_relaxed);
    unlock();
    return job ? 0 : -EBADF;
}

int32_t sluice_job_residue(int32_t handle, void *bytes, uint32_t capacity)
{
    lock();
    struct job *job = job_find(handle);
    int32_t result = !job ? -EBADF : job->state == JOB_IDLE ? work_residue(&job->work, bytes, capacity) : -EBUSY;
    unlock();
    return result;
}

int32_t sluice_job_outstanding(int32_t handle)
{
    lock();
    struct job *job = job_find(handle);
    int32_t result = job ? end_outstanding(&job->work.target) : -EBADF;
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
