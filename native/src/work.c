/* What all mechanisms share: accounting, the ends of a source, writes that never wait. */
#include "job.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

void job_discard(struct job *job)
{
    pipe_release(&job->pipe, job->pending == 0);
    free(job->residue);
    job->residue = NULL;
    job->residue_at = 0;
    job->pending = 0;
}

static int64_t take_residue(struct job *job, char *bytes, size_t length)
{
    if (!job->residue) return SYS(read, job->pipe.read_fd, bytes, length);
    memcpy(bytes, job->residue + job->residue_at, length);
    job->residue_at += length;
    return (int64_t)length;
}

int32_t job_residue(struct job *job, char *bytes, uint32_t capacity)
{
    size_t length = job->pending < capacity ? job->pending : capacity;
    if (length == 0) return 0;
    int64_t n;
    do
        n = take_residue(job, bytes, length);
    while (n == -EINTR);
    if (n > 0) job->pending -= (size_t)n;
    if (job->pending == 0) job_discard(job);
    return (int32_t)n;
}

void job_advance(struct job *job, int64_t bytes)
{
    if (job->offset >= 0) job->offset += bytes;
    if (job->remaining > 0) job->remaining -= bytes;
    if (job->target_offset >= 0) job->target_offset += bytes;
    atomic_fetch_add_explicit(&job->moved, bytes, memory_order_relaxed);
}

enum turn job_fail(struct job *job, int64_t error, uint32_t side)
{
    job->failed = side;
    job->error = (int)(error < 0 ? -error : error);
    return TURN_FAILED;
}

bool is_loss(int64_t error)
{
    switch (-error) {
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENOTCONN:
    case EPIPE: return true;
    default: return false;
    }
}

bool is_ready(struct job *job, int fd, short events)
{
    struct pollfd entry = {.fd = fd, .events = events};
    struct timespec now = {0};
    job->syscalls++;
    return SYS(ppoll, &entry, 1, &now, NULL, 0) > 0;
}

bool source_is_ready(struct job *job)
{
    const struct end *source = &job->source;
    return source->nonblocking || !source->pollable || is_ready(job, source->fd, POLLIN);
}

enum turn source_ended(struct job *job)
{
    if (job->source.kind != SLUICE_KIND_PIPE) return TURN_EOF;
    /*
     * A FIFO opened with O_NONBLOCK before its first writer reads as 0 too. The kernel tells the two
     * apart in poll(2): POLLHUP is set only once a writer has come and gone.
     */
    struct pollfd entry = {.fd = job->source.fd, .events = POLLIN};
    struct timespec now = {0};
    job->syscalls++;
    if (SYS(ppoll, &entry, 1, &now, NULL, 0) > 0 && !(entry.revents & POLLIN)) return TURN_EOF;
    return TURN_WAIT_SOURCE;
}

static int64_t read_uncached(struct job *job, char *buffer, size_t length)
{
    struct iovec slice = {.iov_base = buffer, .iov_len = length};
    return SYS(preadv2, job->source.fd, &slice, 1, job->offset, 0, RWF_DONTCACHE);
}

int64_t read_source(struct job *job, char *buffer, size_t length)
{
    const struct end *source = &job->source;
    if (!is_positioned(job) && !source_is_ready(job)) return -EAGAIN;
    job->syscalls++;
    if (job->uncached_read && source->kind == SLUICE_KIND_FILE) {
        int64_t n = read_uncached(job, buffer, length);
        if (n != -EOPNOTSUPP) return n;
        job->uncached_read = false; /* this filesystem lacks it */
        job->syscalls++;
    }
    if (is_positioned(job)) return SYS(pread64, source->fd, buffer, length, job->offset);
    if (source->kind == SLUICE_KIND_SOCKET) return SYS(recvfrom, source->fd, buffer, length, MSG_DONTWAIT, NULL, NULL);
    return SYS(read, source->fd, buffer, length);
}

static int64_t write_uncached(struct job *job, const char *bytes, size_t length)
{
    struct iovec slice = {.iov_base = (char *)bytes, .iov_len = length};
    return SYS(pwritev2, job->target.fd, &slice, 1, job->target_offset, 0, RWF_DONTCACHE);
}

int64_t write_target(struct job *job, const char *bytes, size_t length)
{
    const struct end *target = &job->target;
    job->syscalls++;
    length = (size_t)at_once(job, (int64_t)length);
    if (target->kind == SLUICE_KIND_SOCKET)
        return SYS(sendto, target->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    if (job->uncached_write && target->kind == SLUICE_KIND_FILE) {
        int64_t n = write_uncached(job, bytes, length);
        if (n != -EOPNOTSUPP) return n;
        job->uncached_write = false; /* this filesystem lacks it */
        job->syscalls++;
    }
    if (job->target_offset >= 0) return SYS(pwrite64, target->fd, bytes, length, job->target_offset);
    if (target->kind == SLUICE_KIND_PIPE && !target->nonblocking) {
        /* A blocking pipe that polls writable takes PIPE_BUF bytes without waiting (pipe(7)), no more for sure. */
        if (!is_ready(job, target->fd, POLLOUT)) return -EAGAIN;
        length = length < PIPE_BUF ? length : PIPE_BUF;
    }
    return SYS(write, target->fd, bytes, length);
}

enum turn flush_residue(struct job *job)
{
    while (job->residue && job->pending > 0) {
        if (is_cancelled(job)) return TURN_CANCELLED;
        int64_t n = write_target(job, job->residue + job->residue_at, job->pending);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_TARGET;
        if (n < 0) return job_fail(job, n, SLUICE_SIDE_TARGET);
        job->residue_at += (size_t)n;
        job->pending -= (size_t)n;
        job_advance(job, n);
    }
    free(job->residue);
    job->residue = NULL;
    if (job->refusal == 0) return TURN_DONE;
    return job_fail(job, job->refusal, job->broken ? SLUICE_SIDE_SOURCE : SLUICE_SIDE_TARGET);
}
