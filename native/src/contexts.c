/*
 * Contexts: one for each isolate that loaded the library. Its outcomes wait here until it reaps them.
 *
 * An isolate that dies without a word (Worker.terminate) leaves its wake-up socket, or its lifeline,
 * without a reader; epoll reports that as EPOLLHUP or EPOLLERR on our end.
 */
#include "contexts.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "poller.h"

#define INDEX_BITS 10
#define MAX_CONTEXTS (1 << INDEX_BITS)
/* Marks an epoll tag as a context's: job indices never reach this bit. */
#define CONTEXT_TAG (1u << 31)

struct context {
    bool open;
    uint32_t generation;
    int wake_theirs; /* -1 once the isolate has taken it */
    int wake_ours;
    int lifeline; /* our end, or -1 */
    struct job *first_ended;
    struct job *last_ended;
    struct pair *ended_pairs; /* in no order */
};

static struct context contexts[MAX_CONTEXTS];
static uint32_t open_contexts;

static int32_t context_handle(const struct context *context)
{
    return handle_make(INDEX_BITS, (uint32_t)(context - contexts), context->generation);
}

static struct context *context_find(int32_t handle)
{
    if (handle <= 0) return NULL;
    struct context *context = &contexts[handle_index(INDEX_BITS, handle)];
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

static bool is_lost(int fd)
{
    struct pollfd entry = {.fd = fd};
    struct timespec now = {0};
    return fd >= 0 && SYS(ppoll, &entry, 1, &now, NULL, 0) > 0;
}

void contexts_lost(void (*visit)(int32_t context))
{
    for (struct context *context = contexts; context < contexts + MAX_CONTEXTS; context++)
        if (context->open && (is_lost(context->wake_ours) || is_lost(context->lifeline)))
            visit(context_handle(context));
}

static int watch_for_loss(const struct context *context, int fd)
{
    return poller_watch_loss(fd, (uint64_t)context_handle(context) << 32 | CONTEXT_TAG);
}

/* A socket and no pipe: MSG_NOSIGNAL spares the runtime a SIGPIPE, and every runtime can read one. */
static int open_wake_socket(struct context *context)
{
    int fds[2];
    int64_t failed = SYS(socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
    if (failed < 0) return (int)failed;
    context->wake_theirs = (int)keep_fd(fds[0]);
    context->wake_ours = (int)keep_fd(fds[1]);
    int watched = watch_for_loss(context, context->wake_ours);
    if (watched < 0) {
        close_fd(&context->wake_theirs);
        close_fd(&context->wake_ours);
    }
    return watched;
}

int32_t context_add(void)
{
    struct context *context = contexts;
    while (context < contexts + MAX_CONTEXTS && context->open)
        context++;
    if (context == contexts + MAX_CONTEXTS) return -EMFILE;
    context->lifeline = -1;
    context->first_ended = context->last_ended = NULL;
    context->ended_pairs = NULL;
    int failed = open_wake_socket(context);
    if (failed < 0) return failed;
    context->open = true;
    open_contexts++;
    return context_handle(context);
}

static int32_t context_lifeline(struct context *context)
{
    int fds[2];
    if (!context) return -EBADF;
    if (context->lifeline >= 0) return -EEXIST;
    int64_t failed = SYS(pipe2, fds, O_CLOEXEC | O_NONBLOCK);
    if (failed == 0) {
        context->lifeline = (int)keep_fd(fds[1]);
        failed = watch_for_loss(context, fds[1]);
        if (failed < 0) {
            close_fd(&context->lifeline);
            SYS(close, fds[0]);
        }
    }
    return failed < 0 ? (int32_t)failed : fds[0];
}

static void stop_watching(int *fd)
{
    if (*fd >= 0) poller_unwatch_loss(*fd);
    close_fd(fd);
}

bool context_remove(int32_t handle)
{
    struct context *context = context_find(handle);
    if (!context) return false;
    stop_watching(&context->wake_ours);
    stop_watching(&context->lifeline);
    close_fd(&context->wake_theirs);
    context->open = false;
    context->generation++;
    open_contexts--;
    /* No list to keep: a job that ends in a closed context is freed at once. */
    context->first_ended = context->last_ended = NULL;
    context->ended_pairs = NULL;
    return true;
}

/* EAGAIN: the socket is full of earlier wake-ups, so the isolate has one to read. */
static void wake(const struct context *context)
{
    SYS(sendto, context->wake_ours, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

void context_wake(int32_t handle)
{
    struct context *context = context_find(handle);
    if (context) wake(context);
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

struct job *context_take_job(int32_t handle)
{
    struct context *context = context_find(handle);
    struct job *job = context ? context->first_ended : NULL;
    if (!job) return NULL;
    context->first_ended = job->next;
    job->next = NULL;
    return job;
}

void context_deliver_pair(struct pair *pair)
{
    struct context *context = context_find(pair->context);
    bool first = context->ended_pairs == NULL;
    pair->state = PAIR_ENDED;
    pair->next = context->ended_pairs;
    context->ended_pairs = pair;
    if (first) wake(context);
}

struct pair *context_take_pair(int32_t handle)
{
    struct context *context = context_find(handle);
    struct pair *pair = context ? context->ended_pairs : NULL;
    if (!pair) return NULL;
    context->ended_pairs = pair->next;
    pair->next = NULL;
    return pair;
}

uint32_t contexts_open(void)
{
    return open_contexts;
}

int32_t sluice_context_wake_fd(int32_t handle)
{
    lock();
    struct context *context = context_find(handle);
    int32_t fd = context ? give_fd(context->wake_theirs) : -1;
    if (context) context->wake_theirs = -1;
    unlock();
    return fd < 0 ? -EBADF : fd;
}

int32_t sluice_context_lifeline(int32_t handle)
{
    lock();
    int32_t fd = context_lifeline(context_find(handle));
    unlock();
    return fd;
}
