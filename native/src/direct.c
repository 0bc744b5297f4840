/*
 * O_DIRECT (open(2)): bytes go between the disk and a buffer of ours, past the page cache.
 *
 * Offsets, lengths and addresses must be aligned, so the source is read in whole blocks and the wanted part
 * of them is sent. A file target is written the same way where its offset and the source's agree within a
 * block; what does not fill a block goes through the page cache and is dropped from it at once.
 */
#include <fcntl.h>
#include <linux/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "mechanisms.h"

#define CHUNK_BYTES (1 << 20)
/* Least alignment used: no logical block is larger on most disks, and no page is split between two kinds of write. */
#define LEAST_BLOCK 4096
#define EMPTY_PATH 0x1000 /* AT_EMPTY_PATH */

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000 /* Linux 6.1 */
#endif

/* struct statx as of Linux 6.1: older headers lack the last two fields. */
struct alignment_status {
    uint32_t mask;
    char before[0x94];
    uint32_t memory;
    uint32_t offset;
    char after[0x60];
};
_Static_assert(sizeof(struct alignment_status) == 256, "struct statx");

struct direct {
    int source; /* O_DIRECT, an open file description of our own */
    int target; /* the same; -1 where the target is written through the page cache, or is no file */
    int64_t source_block;
    int64_t target_block;
    char *buffer;
    size_t at; /* first byte to be sent; work->pending says how many there are */
};

/* Bytes that offsets and addresses must be multiples of; -EINVAL where the file takes no direct I/O. */
static int64_t block_of(struct work *work, int fd)
{
    struct alignment_status status = {0};
    work->syscalls++;
    int64_t failed = SYS(statx, fd, "", EMPTY_PATH, STATX_DIOALIGN, &status);
    if (failed < 0 || !(status.mask & STATX_DIOALIGN)) return LEAST_BLOCK;
    if (status.offset == 0) return -EINVAL;
    int64_t block = status.offset > status.memory ? status.offset : status.memory;
    return block > LEAST_BLOCK ? block : LEAST_BLOCK;
}

/* O_DIRECT is a flag of the open file description, and the caller's must not change: this opens another. */
static int64_t reopen(struct work *work, int fd, int flags)
{
    char own[32];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    work->syscalls++;
    return keep_fd(SYS(openat, AT_FDCWD, own, flags | O_DIRECT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

static bool has_blocks(const struct end *end)
{
    return end->kind == SLUICE_KIND_FILE || end->kind == SLUICE_KIND_BLOCK_DEVICE;
}

/* An O_APPEND target has no offset to align; one that can't be opened again is written through the cache. */
static int open_target(struct work *work, struct direct *direct)
{
    if (!has_blocks(&work->target)) return 0;
    int64_t flags = SYS(fcntl, work->target.fd, F_GETFL);
    if (flags < 0) return (int)flags;
    if (flags & O_APPEND) return 0;
    int64_t block = block_of(work, work->target.fd);
    if (block < 0) return (int)block;
    int64_t fd = reopen(work, work->target.fd, O_WRONLY);
    if (fd < 0) return (int)fd;
    direct->target = (int)fd;
    direct->target_block = block;
    return 0;
}

static int open_source(struct work *work, struct direct *direct)
{
    int64_t block = block_of(work, work->source.fd);
    if (block < 0) return (int)block;
    int64_t fd = reopen(work, work->source.fd, O_RDONLY);
    if (fd < 0) return (int)fd;
    direct->source = (int)fd;
    direct->source_block = block;
    if (block > CHUNK_BYTES) return -EINVAL;
    /* Populated: btrfs goes by the page cache where the pages of a buffer are not there yet. */
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    direct->buffer = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    return direct->buffer == MAP_FAILED ? -ENOMEM : 0;
}

static enum turn begin(struct work *work)
{
    work->direct = malloc(sizeof *work->direct);
    if (!work->direct) return work_fail(work, ENOMEM, SLUICE_SIDE_NONE);
    *work->direct = (struct direct){.source = -1, .target = -1, .buffer = MAP_FAILED};
    int failed = open_source(work, work->direct);
    if (failed < 0) return work_fail(work, failed, SLUICE_SIDE_SOURCE);
    failed = open_target(work, work->direct);
    return failed < 0 ? work_fail(work, failed, SLUICE_SIDE_TARGET) : TURN_DONE;
}

void direct_release(struct work *work, close_file *close_file)
{
    struct direct *direct = work->direct;
    if (!direct) return;
    close_file(direct->source);
    close_file(direct->target);
    if (direct->buffer != MAP_FAILED) munmap(direct->buffer, CHUNK_BYTES);
    free(direct);
    work->direct = NULL;
}

/* Reads the blocks that hold the next bytes: how many of those it got, 0 at the end, or -errno. */
static int64_t fill(struct work *work, struct direct *direct)
{
    int64_t mask = direct->source_block - 1;
    int64_t lead = work->offset & mask;
    int64_t length = (lead + (int64_t)wanted(work, CHUNK_BYTES - lead) + mask) & ~mask;
    work->syscalls++;
    int64_t n = SYS(pread64, direct->source, direct->buffer, (size_t)length, work->offset - lead);
    if (n < 0) return n;
    if (n <= lead) return 0;
    direct->at = (size_t)lead;
    work->pending = wanted(work, n - lead);
    return (int64_t)work->pending;
}

/* Writes back what went through the page cache, for only clean pages can be dropped, and drops it. */
static void drop_written(struct work *work, int64_t end, int64_t length)
{
    int64_t mask = sysconf(_SC_PAGESIZE) - 1;
    int64_t first = (end - length) & ~mask, last = (end + mask) & ~mask;
    unsigned flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    work->syscalls += 2;
    SYS(sync_file_range, work->target.fd, first, last - first, flags);
    SYS(fadvise64, work->target.fd, first, last - first, POSIX_FADV_DONTNEED);
}

/* Where the target stands: its offset, or its own position, which O_APPEND puts at the end with each write. */
static int64_t position_of(struct work *work)
{
    if (work->target_offset >= 0) return work->target_offset;
    work->syscalls++;
    return SYS(lseek, work->target.fd, 0, SEEK_CUR);
}

static int64_t write_cached(struct work *work, const char *from, size_t length)
{
    int64_t at = work->target_offset;
    int64_t n = write_target(work, from, length);
    if (n > 0) drop_written(work, at >= 0 ? at + n : position_of(work), n);
    return n;
}

static int64_t write_direct(struct work *work, const char *from, size_t length, int64_t position)
{
    work->syscalls++;
    int64_t n = SYS(pwrite64, work->direct->target, from, length, position);
    if (n > 0 && work->target_offset < 0) {
        work->syscalls++;
        SYS(lseek, work->target.fd, n, SEEK_CUR);
    }
    return n;
}

/* One write of as much as one kind of write can take: up to the next block, whole blocks, or what is left of one. */
static int64_t write_file(struct work *work, const char *from, size_t length)
{
    const struct direct *direct = work->direct;
    if (direct->target < 0) return write_cached(work, from, length);
    int64_t position = position_of(work);
    if (position < 0) return position;
    size_t mask = (size_t)direct->target_block - 1;
    size_t misfit = (size_t)position & mask;
    /* Buffer and target disagree within a block, and will after every write. */
    if ((direct->at & mask) != misfit) return write_cached(work, from, length);
    size_t to_block = direct->target_block - misfit;
    if (misfit > 0) return write_cached(work, from, length < to_block ? length : to_block);
    if (length > mask) return write_direct(work, from, length & ~mask, position);
    return write_cached(work, from, length);
}

/* TURN_DONE when all that was read has been sent. */
static enum turn drain(struct work *work, struct direct *direct)
{
    bool blocks = has_blocks(&work->target);
    while (work->pending > 0) {
        if (is_cancelled(work)) return TURN_CANCELLED;
        const char *from = direct->buffer + direct->at;
        int64_t n = blocks ? write_file(work, from, work->pending) : write_target(work, from, work->pending);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_TARGET;
        if (n < 0) return work_fail(work, n, SLUICE_SIDE_TARGET);
        direct->at += (size_t)n;
        work->pending -= (size_t)n;
        work_advance(work, n);
    }
    return TURN_DONE;
}

enum turn direct_turn(struct work *work, struct lane *lane)
{
    if (!work->direct) {
        if (!lane->may_block) return TURN_COLD;
        enum turn begun = begin(work);
        if (begun != TURN_DONE) return begun;
    }
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        enum turn drained = drain(work, work->direct);
        if (drained != TURN_DONE) return drained;
        if (is_complete(work)) return TURN_DONE;
        if (is_cancelled(work)) return TURN_CANCELLED;
        /* Either lane may send what was read; only the blocking one may read, which waits for the disk. */
        if (!lane->may_block) return TURN_COLD;
        int64_t n = fill(work, work->direct);
        if (n == -EINTR) continue;
        if (n < 0) return work_fail(work, n, SLUICE_SIDE_SOURCE);
        if (n == 0) return TURN_EOF;
        budget -= n;
    }
    return TURN_AGAIN;
}
