/* The pipes of a tee: made, filled as far as each takes it, and closed. See tee.c. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tee.h"

static void outlet_close(struct end *end)
{
    close_fd(&end->fd);
    end->registered = false; /* close(2) of the only descriptor takes it out of the epoll set */
}

static int outlet_open(struct outlet *outlet, struct sluice_outlet *theirs, uint32_t capacity)
{
    int fds[2];
    int64_t failed = SYS(pipe2, fds, O_CLOEXEC | O_NONBLOCK);
    if (failed < 0) return (int)failed;
    /* EPERM past /proc/sys/fs/pipe-max-size or pipe-user-pages-soft: then it stays as it is. */
    int64_t size = SYS(fcntl, fds[1], F_SETPIPE_SZ, capacity);
    if (size < 0) size = SYS(fcntl, fds[1], F_GETPIPE_SZ);
    outlet->end =
        (struct end){.fd = (int)keep_fd(fds[1]), .kind = SLUICE_KIND_PIPE, .nonblocking = true, .pollable = true};
    *theirs = (struct sluice_outlet){.fd = fds[0], .capacity = (uint32_t)(size > 0 ? size : 65536)};
    return 0;
}

int tee_open(struct tee **opened, struct sluice_outlet *outlets, uint32_t count, uint32_t capacity)
{
    struct tee *tee = calloc(1, sizeof *tee + count * sizeof *tee->outlets);
    if (!tee) return -ENOMEM;
    tee->sink = -1;
    for (; tee->count < count; tee->count++) {
        int failed = outlet_open(&tee->outlets[tee->count], &outlets[tee->count], capacity);
        if (failed == 0) continue;
        for (uint32_t i = 0; i < tee->count; i++) {
            outlet_close(&tee->outlets[i].end);
            SYS(close, outlets[i].fd);
        }
        free(tee);
        return failed;
    }
    *opened = tee;
    return 0;
}

int tee_feed(struct tee *tee, const char *bytes, uint32_t length)
{
    if (tee->head) return -EBUSY;
    if (length == 0) return 0;
    tee->head = malloc(length);
    if (!tee->head) return -ENOMEM;
    memcpy(tee->head, bytes, length);
    tee->head_size = length;
    tee->head_at = 0;
    return 0;
}

bool tee_has_head(const struct work *work)
{
    return work->tee && work->tee->head;
}

struct end *tee_blocked(struct tee *tee)
{
    /* One that was left out meanwhile is waited for no more; where none is left, arming it tells. */
    for (uint32_t i = 0; i < tee->count && tee->outlets[tee->blocked].end.fd < 0; i++)
        tee->blocked = i;
    return &tee->outlets[tee->blocked].end;
}

int32_t tee_waits_for(const struct tee *tee)
{
    return tee->full ? (int32_t)tee->blocked : -EAGAIN;
}

void tee_each(struct tee *tee, void (*visit)(struct end *))
{
    for (uint32_t i = 0; i < tee->count; i++)
        visit(&tee->outlets[i].end);
}

void tee_release(struct work *work)
{
    if (!work->tee) return;
    tee_each(work->tee, outlet_close);
    close_fd(&work->tee->sink);
    free(work->tee->head);
    free(work->tee);
    work->tee = NULL;
}

int64_t tee_give(struct work *work, size_t available, give_outlet *one)
{
    struct tee *tee = work->tee;
    int64_t least = -EPIPE;
    for (uint32_t i = 0; i < tee->count; i++) {
        struct outlet *outlet = &tee->outlets[i];
        if (outlet->end.fd < 0) continue;
        int64_t n = one(work, outlet, available);
        if (n == -EPIPE) {
            outlet_close(&outlet->end);
            continue;
        }
        if (n < 0 && n != -EAGAIN) return n;
        if (n > 0) outlet->ahead += (size_t)n;
        if (least >= 0 && (int64_t)outlet->ahead >= least) continue;
        least = (int64_t)outlet->ahead;
        tee->blocked = i;
    }
    tee->full = least == 0;
    return tee->full ? -EAGAIN : least;
}

/* All outlets have these bytes. */
static void fall_back(struct tee *tee, int64_t bytes)
{
    for (uint32_t i = 0; i < tee->count; i++)
        if (tee->outlets[i].end.fd >= 0) tee->outlets[i].ahead -= (size_t)bytes;
}

void tee_advance(struct work *work, int64_t bytes)
{
    fall_back(work->tee, bytes);
    work_advance(work, bytes);
}

int64_t tee_give_memory(struct work *work, struct outlet *outlet, const char *bytes, size_t available)
{
    if (outlet->ahead == available) return 0;
    int64_t n;
    do {
        work->syscalls++;
        n = SYS(write, outlet->end.fd, bytes + outlet->ahead, available - outlet->ahead);
    } while (n == -EINTR);
    return n;
}

/* --- what comes before the source --- */

static int64_t give_head(struct work *work, struct outlet *outlet, size_t available)
{
    return tee_give_memory(work, outlet, work->tee->head + work->tee->head_at, available);
}

enum turn tee_give_head(struct work *work)
{
    struct tee *tee = work->tee;
    while (tee->head) {
        if (is_cancelled(work)) return TURN_CANCELLED;
        int64_t all = tee_give(work, tee->head_size - tee->head_at, give_head);
        if (all == -EAGAIN) return TURN_WAIT_TARGET;
        if (all < 0) return work_fail(work, all, SLUICE_SIDE_TARGET);
        fall_back(tee, all);
        tee->head_at += (size_t)all;
        if (tee->head_at < tee->head_size) continue;
        free(tee->head);
        tee->head = NULL;
    }
    return TURN_DONE;
}
