/* File to file inside the kernel: copy_file_range(2) and FICLONERANGE. */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "job.h"

/* Bytes of a call: large enough to cost nothing, small enough that a cancel takes effect within a moment. */
#define COPY_BYTES (32 << 20)

/* What is dropped from the page cache behind the copy must be looked at before it. */
static int64_t copy_bytes(const struct job *job)
{
    return job->dontcache ? SLUICE_TURN_BYTES : COPY_BYTES;
}

enum turn copy_file_range_turn(struct job *job, struct lane *lane)
{
    (void)lane;
    if (is_complete(job)) return TURN_DONE;
    if (is_cancelled(job)) return TURN_CANCELLED;
    int64_t from = job->offset;
    int64_t to = job->target_offset;
    job->syscalls++;
    int64_t n = SYS(copy_file_range, job->source.fd, &from, job->target.fd, to < 0 ? NULL : &to,
                    wanted(job, copy_bytes(job)), 0);
    if (n == -EINTR) return TURN_AGAIN;
    if (n < 0) return job_fail(job, n, SLUICE_SIDE_NONE);
    if (n == 0) return TURN_EOF;
    job_advance(job, n);
    return is_complete(job) ? TURN_DONE : TURN_AGAIN;
}

/* A range that reaches past the end is EINVAL, like much else. */
static bool is_cut(struct job *job)
{
    struct stat status;
    job->syscalls++;
    return SYS(fstat, job->source.fd, &status) == 0 && status.st_size < job->offset + job->remaining;
}

enum turn reflink_turn(struct job *job, struct lane *lane)
{
    (void)lane;
    if (is_complete(job)) return TURN_DONE;
    if (is_cancelled(job)) return TURN_CANCELLED;
    if (job->remaining < 0 || job->target_offset < 0) return job_fail(job, EINVAL, SLUICE_SIDE_NONE);
    struct file_clone_range range = {
        .src_fd = job->source.fd,
        .src_offset = (uint64_t)job->offset,
        .src_length = (uint64_t)job->remaining,
        .dest_offset = (uint64_t)job->target_offset,
    };
    job->syscalls++;
    int64_t failed = SYS(ioctl, job->target.fd, FICLONERANGE, &range);
    if (failed == -EINTR) return TURN_AGAIN;
    if (failed == -EINVAL && is_cut(job)) return TURN_EOF;
    if (failed < 0) return job_fail(job, failed, SLUICE_SIDE_NONE);
    job_advance(job, job->remaining);
    return TURN_DONE;
}
