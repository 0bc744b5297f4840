/* Whether the next bytes of a file are in memory, so that a worker shared by all sockets never waits for a disk. */
#include <sys/uio.h>

#include "filesystem.h"
#include "work.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5 */
#endif

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008 /* Linux 4.14 */
#endif

/* 1 when the byte is in memory (or past the end), 0 when it is not, -errno when it can't be told. */
static int64_t probe_byte(struct work *work, int64_t offset)
{
    char byte;
    struct iovec slice = {.iov_base = &byte, .iov_len = 1};
    work->syscalls++;
    int64_t n = SYS(preadv2, work->source.fd, &slice, 1, offset, 0, RWF_NOWAIT);
    return n == -EAGAIN ? 0 : n < 0 ? n : 1;
}

/*
 * Bytes of pages that the cache lacks in a range; -errno when it can't be told. Unlike a read with RWF_NOWAIT it
 * starts nothing: that one reads ahead, and waits for the disk where the file's own block map is cold.
 */
static int64_t pages_missing(struct work *work, int64_t offset, int64_t length)
{
    uint64_t counts[5] = {0}; /* struct cachestat; the first is nr_cache */
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t first = offset / page, end = (offset + length + page - 1) / page;
    uint64_t range[2] = {(uint64_t)(first * page), (uint64_t)((end - first) * page)};
    work->syscalls++;
    int64_t failed = SYS(cachestat, work->source.fd, range, counts, 0);
    return failed < 0 ? failed : end - first - (int64_t)counts[0];
}

/*
 * overlayfs keeps its pages with the file below it, where cachestat(2) does not look. A filesystem that has a server
 * or a daemon may ask it for the size of a file, whatever is in memory.
 */
static enum residency first_look(const struct end *source)
{
    if (source->kind != SLUICE_KIND_FILE) return RESIDENCY_COUNTED;
    switch (filesystem_of(source->fd).kind) {
    case FILESYSTEM_OTHER: return RESIDENCY_NEVER;
    case FILESYSTEM_STACK: return RESIDENCY_PROBED;
    default: return RESIDENCY_COUNTED;
    }
}

bool is_cached(struct work *work, int64_t length)
{
    if (work->residency == RESIDENCY_UNASKED) work->residency = first_look(&work->source);
    if (work->residency != RESIDENCY_COUNTED || !is_positioned(work)) return work->residency != RESIDENCY_NEVER;
    int64_t missing = pages_missing(work, work->offset, length);
    if (missing == 0) return true;
    /* EPERM: newer kernels answer the file's owner and writers alone. ENOSYS: before 6.5. */
    if (missing < 0) work->residency = RESIDENCY_PROBED;
    return missing < 0;
}

/*
 * A page in the cache may still be on its way from the disk: the first and the last byte stand for all between.
 * Where pages can't be counted they are all there is, and a run of readahead is asked for by the probe that misses.
 */
bool is_resident(struct work *work, int64_t length)
{
    if (!is_cached(work, length)) return false;
    if (work->residency > RESIDENCY_PROBED || !is_positioned(work)) return work->residency != RESIDENCY_NEVER;
    int64_t first = probe_byte(work, work->offset);
    if (first < 0) {
        bool is_memory = filesystem_of(work->source.fd).kind == FILESYSTEM_MEMORY;
        work->residency = is_memory ? RESIDENCY_ALWAYS : RESIDENCY_NEVER;
        return work->residency == RESIDENCY_ALWAYS;
    }
    return first == 1 && (length < 2 || probe_byte(work, work->offset + length - 1) != 0);
}
