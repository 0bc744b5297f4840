/* What all mechanisms share: accounting, the ends of a source, writes that never wait. */
#include "job.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "filesystem.h"

static run_turn *const mechanisms[] = {
    [SLUICE_SENDFILE] = sendfile_turn,
    [SLUICE_SPLICE] = splice_turn,
    [SLUICE_COPY_FILE_RANGE] = copy_file_range_turn,
    [SLUICE_REFLINK] = reflink_turn,
    [SLUICE_MAPPED] = mapped_turn,
    [SLUICE_BUFFERED] = buffered_turn,
    [SLUICE_DIRECT] = direct_turn,
    [SLUICE_SHARED_RING] = ring_turn,
};

run_turn *mechanism(uint32_t opcode)
{
    return opcode < sizeof mechanisms / sizeof *mechanisms ? mechanisms[opcode] : NULL;
}

void job_prepare(struct job *job, const struct sluice_request *request, run_turn *run)
{
    /* Shared blocks are nobody's pages. */
    bool dontcache = request->flags & SLUICE_REQUEST_DONTCACHE && run != reflink_turn;
    job->keeps_holes = request->flags & SLUICE_REQUEST_HOLES && run != reflink_turn;
    job->run_end = 0;
    job->run = dontcache ? dontcache_turn : job->keeps_holes ? holes_turn : run;
    job->mechanism = run;
    job->awaited = NULL;
    job->wants = 0;
    job->waits_only = false;
    job->direct = NULL;
    job->dontcache = NULL;
    job->uncached_read = job->uncached_write = dontcache && has_uncached_io();
    /* Both wait for disks, and even asking what is in memory may start a read. */
    if (dontcache || run == direct_turn) job->residency = RESIDENCY_NEVER;
    job->offset = request->offset;
    job->remaining = request->length;
    job->target_offset = request->target_offset;
    job->pipe = (struct pipe_pair){.read_fd = -1, .write_fd = -1};
    job->residue = NULL;
    job->residue_at = 0;
    job->pending = 0;
    job->gives_way = request->flags & SLUICE_REQUEST_GIVE_WAY;
    job->is_last = request->flags & SLUICE_REQUEST_LAST;
    job->is_stray = false;
    job->refusal = 0;
    job->doubted = false;
    job->broken = 0;
    job->error = 0;
    job->failed = SLUICE_SIDE_NONE;
    job->stranded = 0;
    job->syscalls = 0;
    job->waits = 0;
    job->cpu_ns = 0;
    atomic_store_explicit(&job->cancel, false, memory_order_relaxed);
    atomic_store_explicit(&job->moved, 0, memory_order_relaxed);
}

void job_settle(struct job *job, close_file *close_file)
{
    direct_release(job, close_file);
    dontcache_release(job, close_file);
    /* Bytes of a file can be read again; those of a stream are kept until somebody asks for them. */
    job->stranded = is_positioned(job) ? 0 : (int64_t)job->pending;
    if (job->stranded == 0) job_discard(job);
}

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

uint32_t fd_kind(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return SLUICE_KIND_FILE;
    case S_IFDIR: return SLUICE_KIND_DIRECTORY;
    case S_IFSOCK: return SLUICE_KIND_SOCKET;
    case S_IFIFO: return SLUICE_KIND_PIPE;
    case S_IFCHR: return SLUICE_KIND_CHAR_DEVICE;
    case S_IFBLK: return SLUICE_KIND_BLOCK_DEVICE;
    default: return SLUICE_KIND_OTHER;
    }
}

int end_describe(struct end *end, int fd)
{
    struct glance glance;
    int failed = glance_at(fd, &glance);
    if (failed < 0) return failed;
    uint32_t kind = fd_kind(glance.mode);
    /* O_NONBLOCK means nothing for a regular file. */
    int64_t flags = kind == SLUICE_KIND_FILE ? 0 : SYS(fcntl, fd, F_GETFL);
    if (flags < 0) return (int)flags;
    *end = (struct end){
        .fd = fd,
        .kind = kind,
        .nonblocking = flags & O_NONBLOCK,
    };
    end->pollable = end->kind == SLUICE_KIND_SOCKET || end->kind == SLUICE_KIND_PIPE;
    return 0;
}
