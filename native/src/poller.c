/* The epoll set that the prompt lane's workers share. */
#include "poller.h"

#include <sys/epoll.h>

#include "tee.h"

static int epoll_fd = -1;

bool poller_is_open(void)
{
    return epoll_fd >= 0;
}

int poller_open(int bell, uint64_t tag)
{
    int poller = (int)keep_fd(SYS(epoll_create1, EPOLL_CLOEXEC));
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = tag};
    int failed = poller < 0 ? poller : (int)SYS(epoll_ctl, poller, EPOLL_CTL_ADD, bell, &event);
    if (failed < 0)
        close_fd(&poller);
    else
        epoll_fd = poller;
    return failed;
}

bool poller_wait(uint32_t ms, uint64_t *tag, bool *is_idle)
{
    struct epoll_event event;
    int64_t ready = SYS(epoll_pwait, epoll_fd, &event, 1, ms, NULL, 8);
    if (ready > 0) *tag = event.data.u64;
    *is_idle = ready == 0;
    return ready > 0;
}

int poller_watch(struct end *end, uint32_t events, uint64_t tag)
{
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.u64 = tag};
    int64_t failed = SYS(epoll_ctl, epoll_fd, end->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, end->fd, &event);
    if (failed == 0) end->registered = true;
    return (int)failed;
}

static void unwatch(struct end *end)
{
    if (!end->registered) return;
    /* A duplicate's registration outlives its close(2) while the runtime's descriptor is open. */
    SYS(epoll_ctl, epoll_fd, EPOLL_CTL_DEL, end->fd, NULL);
    end->registered = false;
}

int poller_watch_loss(int fd, uint64_t tag)
{
    /* No events asked for: EPOLLERR, the loss of the reader, is always reported. */
    struct epoll_event event = {.events = EPOLLONESHOT, .data.u64 = tag};
    return (int)SYS(epoll_ctl, epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void poller_unwatch_loss(int fd)
{
    SYS(epoll_ctl, epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void poller_forget(struct work *work)
{
    unwatch(&work->source);
    unwatch(&work->target);
    if (work->tee) tee_each(work->tee, unwatch);
}
