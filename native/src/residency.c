/* Whether the next bytes of a file are in memory, so that a worker shared by all sockets never waits for a disk. */
#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "job.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008 /* Linux 4.14 */
#endif

static bool is_memory_filesystem(int fd)
{
    struct statfs status;
    if (SYS(fstatfs, fd, &status) < 0) return false;
    return status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC || status.f_type == HUGETLBFS_MAGIC;
}

/* 1 when the byte is in memory (or past the end), 0 when it is not, -errno when it can't be told. */
static int64_t probe_byte(struct job *job, int64_t offset)
{
    char byte;
    struct iovec slice = {.iov_base = &byte, .iov_len = 1};
    job->syscalls++;
    int64_t n = SYS(preadv2, job->source.fd, &slice, 1, offset, 0, RWF_NOWAIT);
    return n == -EAGAIN ? 0 : n < 0 ? n : 1;
}

/*
 * The first and the last byte stand for all between: pages leave the cache in runs, and a run of
 * readahead is asked for by the very probe that misses.
 */
bool is_resident(struct job *job, int64_t length)
{
    if (job->residency != RESIDENCY_PROBED || !is_positioned(job)) return job->residency != RESIDENCY_NEVER;
    int64_t first = probe_byte(job, job->offset);
    if (first < 0) {
        job->residency = is_memory_filesystem(job->source.fd) ? RESIDENCY_ALWAYS : RESIDENCY_NEVER;
        return job->residency == RESIDENCY_ALWAYS;
    }
    return first == 1 && (length < 2 || probe_byte(job, job->offset + length - 1) != 0);
}
