/* What all mechanisms share: accounting, the ends of a source, writes that never wait. */
#include "work.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

void work_discard(struct work *work)
{
    pipe_release(&work->pipe, work->pending == 0);
    free(work->residue);
    work->residue = NULL;
    work->residue_at = 0;
    work->pending = 0;
}

static int64_t take_residue(struct work *work, char *bytes, size_t length)
{
    if (!work->residue) return SYS(read, work->pipe.read_fd, bytes, length);
    memcpy(bytes, work->residue + work->residue_at, length);
    work->residue_at += length;
    return (int64_t)length;
}

int32_t work_residue(struct work *work, char *bytes, uint32_t capacity)
{
    size_t length = work->pending < capacity ? work->pending : capacity;
    if (length == 0) return 0;
    int64_t n;
    do
        n = take_residue(work, bytes, length);
    while (n == -EINTR);
    if (n > 0) work->pending -= (size_t)n;
    if (work->pending == 0) work_discard(work);
    return (int32_t)n;
}

void work_advance(struct work *work, int64_t bytes)
{
    if (work->offset >= 0) work->offset += bytes;
    if (work->remaining > 0) work->remaining -= bytes;
    if (work->target_offset >= 0) work->target_offset += bytes;
    atomic_fetch_add_explicit(&work->moved, bytes, memory_order_relaxed);
}

enum turn work_fail(struct work *work, int64_t error, uint32_t side)
{
    work->failed = side;
    work->error = (int)(error < 0 ? -error : error);
    return TURN_FAILED;
}

/* Whether poll(2) finds the descriptor ready now. */
static bool is_ready(struct work *work, int fd, short events)
{
    struct pollfd entry = {.fd = fd, .events = events};
    struct timespec now = {0};
    work->syscalls++;
    return SYS(ppoll, &entry, 1, &now, NULL, 0) > 0;
}

bool source_is_ready(struct work *work)
{
    const struct end *source = &work->source;
    return source->nonblocking || !source->pollable || is_ready(work, source->fd, POLLIN);
}

enum turn source_ended(struct work *work)
{
    if (work->source.kind != SLUICE_KIND_PIPE) return TURN_EOF;
    /*
     * A FIFO opened with O_NONBLOCK before its first writer reads as 0 too. The kernel tells the two
     * apart in poll(2): POLLHUP is set only once a writer has come and gone.
     */
    struct pollfd entry = {.fd = work->source.fd, .events = POLLIN};
    struct timespec now = {0};
    work->syscalls++;
    if (SYS(ppoll, &entry, 1, &now, NULL, 0) > 0 && !(entry.revents & POLLIN)) return TURN_EOF;
    return TURN_WAIT_SOURCE;
}

static int64_t read_uncached(struct work *work, char *buffer, size_t length)
{
    struct iovec slice = {.iov_base = buffer, .iov_len = length};
    return SYS(preadv2, work->source.fd, &slice, 1, work->offset, 0, RWF_DONTCACHE);
}

int64_t read_source(struct work *work, char *buffer, size_t length)
{
    const struct end *source = &work->source;
    if (!is_positioned(work) && !source_is_ready(work)) return -EAGAIN;
    work->syscalls++;
    if (work->uncached_read && source->kind == SLUICE_KIND_FILE) {
        int64_t n = read_uncached(work, buffer, length);
        if (n != -EOPNOTSUPP) return n;
        work->uncached_read = false; /* this filesystem lacks it */
        work->syscalls++;
    }
    if (is_positioned(work)) return SYS(pread64, source->fd, buffer, length, work->offset);
    if (source->kind == SLUICE_KIND_SOCKET) return SYS(recvfrom, source->fd, buffer, length, MSG_DONTWAIT, NULL, NULL);
    return SYS(read, source->fd, buffer, length);
}

static int64_t write_uncached(struct work *work, const char *bytes, size_t length)
{
    struct iovec slice = {.iov_base = (char *)bytes, .iov_len = length};
    return SYS(pwritev2, work->target.fd, &slice, 1, work->target_offset, 0, RWF_DONTCACHE);
}

int64_t write_target(struct work *work, const char *bytes, size_t length)
{
    const struct end *target = &work->target;
    work->syscalls++;
    length = (size_t)at_once(work, (int64_t)length);
    if (target->kind == SLUICE_KIND_SOCKET)
        return SYS(sendto, target->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    if (work->uncached_write && target->kind == SLUICE_KIND_FILE) {
        int64_t n = write_uncached(work, bytes, length);
        if (n != -EOPNOTSUPP) return n;
        work->uncached_write = false; /* this filesystem lacks it */
        work->syscalls++;
    }
    if (work->target_offset >= 0) return SYS(pwrite64, target->fd, bytes, length, work->target_offset);
    if (target->kind == SLUICE_KIND_PIPE && !target->nonblocking) {
        /* A blocking pipe that polls writable takes PIPE_BUF bytes without waiting (pipe(7)), no more for sure. */
        if (!is_ready(work, target->fd, POLLOUT)) return -EAGAIN;
        length = length < PIPE_BUF ? length : PIPE_BUF;
    }
    return SYS(write, target->fd, bytes, length);
}

enum turn flush_residue(struct work *work)
{
    while (work->residue && work->pending > 0) {
        if (is_cancelled(work)) return TURN_CANCELLED;
        int64_t n = write_target(work, work->residue + work->residue_at, work->pending);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_TARGET;
        if (n < 0) return work_fail(work, n, SLUICE_SIDE_TARGET);
        work->residue_at += (size_t)n;
        work->pending -= (size_t)n;
        work_advance(work, n);
    }
    free(work->residue);
    work->residue = NULL;
    if (work->refusal == 0) return TURN_DONE;
    return work_fail(work, work->refusal, work->broken ? SLUICE_SIDE_SOURCE : SLUICE_SIDE_TARGET);
}
