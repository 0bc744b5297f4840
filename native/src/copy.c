/* File to file inside the kernel: copy_file_range(2) and FICLONERANGE. */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "mechanisms.h"

/* Bytes of a call: large enough to cost nothing, small enough that a cancel takes effect within a moment. */
#define COPY_BYTES (32 << 20)

/* What is dropped from the page cache behind the copy must be looked at before it. */
static int64_t copy_bytes(const struct work *work)
{
    return work->dontcache ? SLUICE_TURN_BYTES : COPY_BYTES;
}

enum turn copy_file_range_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    if (is_complete(work)) return TURN_DONE;
    if (is_cancelled(work)) return TURN_CANCELLED;
    int64_t from = work->offset;
    int64_t to = work->target_offset;
    work->syscalls++;
    int64_t n = SYS(copy_file_range, work->source.fd, &from, work->target.fd, to < 0 ? NULL : &to,
                    wanted(work, copy_bytes(work)), 0);
    if (n == -EINTR) return TURN_AGAIN;
    if (n < 0) return work_fail(work, n, SLUICE_SIDE_NONE);
    if (n == 0) return TURN_EOF;
    work_advance(work, n);
    return is_complete(work) ? TURN_DONE : TURN_AGAIN;
}

/* A range that reaches past the end is EINVAL, like much else. */
static bool is_cut(struct work *work)
{
    struct stat status;
    work->syscalls++;
    return SYS(fstat, work->source.fd, &status) == 0 && status.st_size < work->offset + work->remaining;
}

enum turn reflink_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    if (is_complete(work)) return TURN_DONE;
    if (is_cancelled(work)) return TURN_CANCELLED;
    if (work->remaining < 0 || work->target_offset < 0) return work_fail(work, EINVAL, SLUICE_SIDE_NONE);
    struct file_clone_range range = {
        .src_fd = work->source.fd,
        .src_offset = (uint64_t)work->offset,
        .src_length = (uint64_t)work->remaining,
        .dest_offset = (uint64_t)work->target_offset,
    };
    work->syscalls++;
    int64_t failed = SYS(ioctl, work->target.fd, FICLONERANGE, &range);
    if (failed == -EINTR) return TURN_AGAIN;
    if (failed == -EINVAL && is_cut(work)) return TURN_EOF;
    if (failed < 0) return work_fail(work, failed, SLUICE_SIDE_NONE);
    work_advance(work, work->remaining);
    return TURN_DONE;
}
