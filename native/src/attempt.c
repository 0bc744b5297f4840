/*
 * One attempt on the calling thread, for bodies so small that a hop to a worker would cost more than
 * the work. It never waits: neither for a disk nor for a peer nor for the engine's lock.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "filesystem.h"
#include "mechanisms.h"

#define CHUNK_BYTES (64 * 1024)

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008 /* Linux 4.14 */
#endif

/* Bytes from memory that go before those of the file. */
struct head {
    char *bytes;
    size_t length;
    size_t sent;
};

typedef uint32_t attempt(struct work *work, struct head *head);

static uint32_t attempt_error(struct work *work, int64_t error)
{
    work_fail(work, error, SLUICE_SIDE_TARGET);
    return SLUICE_END_ERROR;
}

static bool would_wait(int64_t error)
{
    return error == -EAGAIN || error == -EINTR;
}

/*
 * A body is sent when its bytes are at hand, and a response is committed no sooner: what can't be read at once, for
 * whatever reason, has cost nothing yet.
 */
int32_t sluice_read_now(int32_t source, void *request, void *bytes)
{
    const struct sluice_request *asked = request;
    if (asked->offset < 0 || asked->length < 0 || asked->length > SLUICE_INLINE_BYTES) return -EINVAL;
    struct work work = {.source = {.fd = source, .kind = SLUICE_KIND_FILE}, .offset = asked->offset};
    /* A read may not wait, but the readahead that it starts can: for the file's block map. */
    if (!is_cached(&work, asked->length)) {
        int64_t flags = SYS(fcntl, source, F_GETFD);
        return flags < 0 ? (int32_t)flags : -EAGAIN;
    }
    struct iovec slice = {.iov_base = bytes, .iov_len = (size_t)asked->length};
    int64_t n = SYS(preadv2, source, &slice, 1, asked->offset, 0, RWF_NOWAIT);
    if (n == -EOPNOTSUPP && filesystem_of(source).kind == FILESYSTEM_MEMORY)
        n = SYS(pread64, source, bytes, (size_t)asked->length, asked->offset);
    return (int32_t)n;
}

/* One write of what is left of the head and of bytes of the body: how many of the body went, or -errno. */
static int64_t send_with_head(struct work *work, struct head *head, char *bytes, size_t length, int flags)
{
    size_t left = head->length - head->sent;
    struct iovec parts[2] = {
        {.iov_base = head->bytes + head->sent, .iov_len = left},
        {.iov_base = bytes, .iov_len = length},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    work->syscalls++;
    int64_t sent = SYS(sendmsg, work->target.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL | flags);
    if (sent < 0) return sent;
    size_t of_head = (size_t)sent < left ? (size_t)sent : left;
    head->sent += of_head;
    return sent - (int64_t)of_head;
}

static uint32_t attempt_buffered(struct work *work, struct head *head)
{
    char buffer[CHUNK_BYTES];
    /* A read may not wait, but the readahead that it starts can: for the file's block map. */
    if (!is_cached(work, work->remaining)) return SLUICE_END_BLOCKED;
    while (!is_complete(work)) {
        struct iovec slice = {.iov_base = buffer, .iov_len = wanted(work, CHUNK_BYTES)};
        work->syscalls++;
        int64_t n = SYS(preadv2, work->source.fd, &slice, 1, work->offset, 0, RWF_NOWAIT);
        /* EAGAIN: not in memory. EOPNOTSUPP: this filesystem can't say. Either way the engine knows how to wait. */
        if (n < 0) return SLUICE_END_BLOCKED;
        if (n == 0) return SLUICE_END_EOF;
        int64_t sent = send_with_head(work, head, buffer, (size_t)n, 0);
        if (would_wait(sent)) return SLUICE_END_BLOCKED;
        if (sent < 0) return attempt_error(work, sent);
        work_advance(work, sent);
        if (sent < n) return SLUICE_END_BLOCKED;
    }
    return SLUICE_END_DONE;
}

/* sendfile(2) has no MSG_NOSIGNAL: the thread must not mind SIGPIPE, which every runtime ignores. */
static uint32_t attempt_sendfile(struct work *work, struct head *head)
{
    work->syscalls++;
    int64_t flags = SYS(fcntl, work->target.fd, F_GETFL);
    if (flags < 0) return attempt_error(work, flags);
    if (!(flags & O_NONBLOCK) || !is_resident(work, work->remaining)) return SLUICE_END_BLOCKED;
    int64_t n = head->length > 0 ? send_with_head(work, head, NULL, 0, MSG_MORE) : 0;
    if (n < 0 && !would_wait(n)) return attempt_error(work, n);
    if (head->sent < head->length) return SLUICE_END_BLOCKED;
    int64_t at = work->offset;
    work->syscalls++;
    n = SYS(sendfile, work->target.fd, work->source.fd, &at, wanted(work, SLUICE_INLINE_BYTES));
    if (would_wait(n)) return SLUICE_END_BLOCKED;
    if (n < 0) return attempt_error(work, n);
    work_advance(work, n);
    if (is_complete(work)) return SLUICE_END_DONE;
    return n == 0 ? SLUICE_END_EOF : SLUICE_END_BLOCKED;
}

static attempt *const attempts[] = {
    [SLUICE_SENDFILE] = attempt_sendfile,
    [SLUICE_BUFFERED] = attempt_buffered,
};

/*
 * The ends are taken at their word: sendmsg(2) itself refuses what is no socket, and pread(2) what is
 * no file, before anything has moved.
 */
int32_t sluice_attempt(int32_t source, int32_t target, void *request, void *outcome, void *head, uint32_t head_length)
{
    const struct sluice_request *asked = request;
    attempt *run = asked->strategy < sizeof attempts / sizeof *attempts ? attempts[asked->strategy] : NULL;
    /* What gives way does so by its outcome. */
    bool plain = (asked->flags & ~(uint32_t)SLUICE_REQUEST_GIVE_WAY) == 0;
    if (!run || !plain || asked->offset < 0 || asked->length < 0 || asked->length > SLUICE_INLINE_BYTES) return -EINVAL;
    struct work work = {
        .source = {.fd = source, .kind = SLUICE_KIND_FILE},
        .target = {.fd = target, .kind = SLUICE_KIND_SOCKET},
    };
    struct head before = {.bytes = head, .length = head_length};
    work_prepare(&work, asked, NULL);
    uint32_t end = run(&work, &before);
    *(struct sluice_outcome *)outcome = (struct sluice_outcome){
        .end = end,
        .bytes = atomic_load_explicit(&work.moved, memory_order_relaxed),
        .error = end == SLUICE_END_ERROR ? work.error : 0,
        .failed = work.failed,
        .syscalls = work.syscalls,
        .head = (int64_t)before.sent,
    };
    return 0;
}
