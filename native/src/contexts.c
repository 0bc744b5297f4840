/*
 * Contexts: one for each isolate that loaded the library. Its outcomes wait here until it reaps them.
 *
 * An isolate that dies without a word (Worker.terminate) leaves its wake-up pipe without a reader;
 * epoll reports that as EPOLLERR on the writing end, and the context goes with all its jobs.
 */
#include <fcntl.h>
#include <string.h>

#include "engine.h"

#define MAX_CONTEXTS 1024
/* Marks an epoll tag as a context's: job indices never reach this bit. */
#define CONTEXT_TAG (1u << 31)

struct context {
    bool open;
    uint32_t generation;
    sluice_notify *notify;
    int wake_read; /* -1 once the isolate has taken it */
    int wake_write;
    struct job *first_ended;
    struct job *last_ended;
};

static struct context contexts[MAX_CONTEXTS];
static uint32_t open_contexts;

/* A handle is the index in the low 10 bits under a generation, and never 0. */
static int32_t context_handle(const struct context *context)
{
    return (int32_t)((context->generation % 0x1fffff + 1) << 10 | (uint32_t)(context - contexts));
}

static struct context *context_find(int32_t handle)
{
    if (handle <= 0) return NULL;
    struct context *context = &contexts[handle & (MAX_CONTEXTS - 1)];
    return context->open && context_handle(context) == handle ? context : NULL;
}

bool context_is_open(int32_t handle)
{
    return context_find(handle) != NULL;
}

bool context_tagged(uint64_t tag, int32_t *handle)
{
    if (!((uint32_t)tag & CONTEXT_TAG)) return false;
    *handle = (int32_t)(tag >> 32);
    return true;
}

static int open_wake_pipe(struct context *context)
{
    int fds[2];
    int64_t failed = SYS(pipe2, fds, O_CLOEXEC | O_NONBLOCK);
    if (failed < 0) return (int)failed;
    context->wake_read = fds[0];
    context->wake_write = fds[1];
    uint64_t tag = (uint64_t)context_handle(context) << 32 | CONTEXT_TAG;
    int watched = lanes_watch(context->wake_write, tag);
    if (watched < 0) {
        close_fd(&context->wake_read);
        close_fd(&context->wake_write);
    }
    return watched;
}

static int32_t context_open(sluice_notify *notify)
{
    struct context *context = contexts;
    while (context < contexts + MAX_CONTEXTS && context->open) context++;
    if (context == contexts + MAX_CONTEXTS) return -EMFILE;
    int started = lanes_start();
    if (started < 0) return started;
    context->notify = notify;
    context->wake_read = context->wake_write = -1;
    context->first_ended = context->last_ended = NULL;
    if (!notify) {
        int opened = open_wake_pipe(context);
        if (opened < 0) return opened;
    }
    context->open = true;
    open_contexts++;
    return context_handle(context);
}

void context_kill(int32_t handle)
{
    struct context *context = context_find(handle);
    if (!context) return;
    if (context->wake_write >= 0) lanes_unwatch(context->wake_write);
    close_fd(&context->wake_write);
    close_fd(&context->wake_read);
    context->open = false;
    context->generation++;
    open_contexts--;
    /* No list to keep: a job that ends in a closed context is freed at once. */
    context->first_ended = context->last_ended = NULL;
    jobs_of(handle, job_abandon);
}

static void wake(struct context *context)
{
    if (context->notify) {
        /* Under the lock, so that no call can begin after context_close has returned. */
        context->notify();
        return;
    }
    /* EAGAIN: the pipe is full of earlier wake-ups, so the isolate has one to read. */
    SYS(write, context->wake_write, "", 1);
}

void context_deliver(struct job *job)
{
    struct context *context = context_find(job->context);
    bool first = context->first_ended == NULL;
    job->state = JOB_ENDED;
    job->next = NULL;
    if (first)
        context->first_ended = job;
    else
        context->last_ended->next = job;
    context->last_ended = job;
    if (first) wake(context);
}

static void report(const struct job *job, struct sluice_outcome *outcome)
{
    *outcome = (struct sluice_outcome){
        .job = job_handle(job),
        .end = job->end,
        .bytes = atomic_load_explicit(&job->moved, memory_order_relaxed),
        .stranded = job->stranded,
        .error = job->end == SLUICE_END_ERROR ? job->error : 0,
        .failed = job->end == SLUICE_END_ERROR ? job->failed : SLUICE_SIDE_NONE,
        .syscalls = job->syscalls,
        .waits = job->waits,
        .cpu_ns = job->cpu_ns,
    };
}

static uint32_t reap(struct context *context, struct sluice_outcome *outcomes, uint32_t capacity)
{
    uint32_t count = 0;
    while (context->first_ended && count < capacity) {
        struct job *job = context->first_ended;
        context->first_ended = job->next;
        job->next = NULL;
        if (job->closing) {
            job_release(job);
            continue;
        }
        job->state = JOB_IDLE;
        report(job, &outcomes[count++]);
    }
    return count;
}

uint32_t contexts_open(void)
{
    return open_contexts;
}

int32_t sluice_context_open(sluice_notify *notify)
{
    lock();
    int32_t handle = context_open(notify);
    unlock();
    return handle;
}

int32_t sluice_context_wake_fd(int32_t handle)
{
    lock();
    struct context *context = context_find(handle);
    int32_t fd = context ? context->wake_read : -EBADF;
    if (context) context->wake_read = -1;
    unlock();
    return fd == -1 ? -EBADF : fd;
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
    struct context *context = context_find(handle);
    int32_t count = context ? (int32_t)reap(context, outcomes, capacity) : -EBADF;
    unlock();
    return count;
}
