/*
 * cache: "dontcache": a transfer that leaves the page cache as it found it.
 *
 * Whatever the mechanism, the pages of a file end are looked at before they are touched (mincore(2)), window
 * by window, and those that were not in memory are dropped behind the transfer (POSIX_FADV_DONTNEED). The
 * kernel's readahead would run ahead of the look and past the end of the range, so the source is opened once
 * more with it switched off, and each window is asked for (POSIX_FADV_WILLNEED) when it has been looked at.
 *
 * DONTNEED skips pages that are dirty or that a socket still refers to. So each window is passed over twice:
 * as it is left, when its dirty pages are sent on their way to the disk, and a window later, when those that
 * are still on it are waited for.
 *
 * The `buffered` mechanism also asks the kernel itself to leave nothing behind (RWF_DONTCACHE).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "mechanisms.h"

/* A window starts at a multiple of its size, so that no large folio lies across two. */
#define WINDOW_BYTES (8 << 20)
#define LEAST_PAGE 4096
#define WINDOWS 3

/* The windows behind, under and ahead of the transfer. */
enum { BEHIND, UNDER, AHEAD };

struct watched {
    int fd;                                            /* the end's own */
    int view;                                          /* may be mapped: the same, or opened for reading */
    bool written;                                      /* its pages may be dirty */
    bool known;                                        /* the kernel tells what is in memory */
    int64_t start;                                     /* of the window UNDER the transfer; -1: before the first */
    int64_t asked;                                     /* end of what was asked to be read ahead */
    uint8_t pages[WINDOWS][WINDOW_BYTES / LEAST_PAGE]; /* bit 0: was in memory */
};

struct dontcache {
    struct watched *source; /* NULL where it is no file */
    struct watched *target;
};

/* mincore(2) of a range: 0, or -errno; -ENODEV where the file can't be mapped, and so has no pages to speak of. */
static int64_t look(struct work *work, int fd, int64_t start, size_t length, uint8_t *pages)
{
    work->syscalls += 3;
    void *window = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, start);
    if (window == MAP_FAILED) return -errno;
    int64_t failed = SYS(mincore, window, length, pages);
    munmap(window, length);
    return failed;
}

/*
 * To a process that neither owns the file nor may write to it, mincore(2) says that all of it is in memory: even
 * pages past its end, which never are.
 */
static bool is_told(struct work *work, int fd)
{
    struct stat status;
    uint8_t pages[1];
    int64_t page = sysconf(_SC_PAGESIZE);
    work->syscalls++;
    if (SYS(fstat, fd, &status) < 0) return false;
    int64_t end = (status.st_size + WINDOW_BYTES) & ~(page - 1);
    int64_t failed = look(work, fd, end, (size_t)page, pages);
    return failed == 0 && !(pages[0] & 1);
}

static void survey(struct work *work, struct watched *end, int slot)
{
    int64_t start = end->start + (int64_t)(slot - UNDER) * WINDOW_BYTES;
    /* What can't be looked at is left alone. */
    if (start < 0 || look(work, end->view, start, WINDOW_BYTES, end->pages[slot]) < 0)
        memset(end->pages[slot], 1, sizeof end->pages[slot]);
}

static void drop(struct work *work, const struct watched *end, int64_t start, int64_t length, unsigned sync)
{
    work->syscalls++;
    if (end->written) {
        work->syscalls++;
        SYS(sync_file_range, end->fd, start, length, sync);
    }
    SYS(fadvise64, end->fd, start, length, POSIX_FADV_DONTNEED);
}

/* Drops the runs of pages that were not in memory when the window was looked at. */
static void drop_window(struct work *work, const struct watched *end, int slot, unsigned sync)
{
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t start = end->start + (int64_t)(slot - UNDER) * WINDOW_BYTES;
    size_t count = (size_t)(WINDOW_BYTES / page);
    const uint8_t *pages = end->pages[slot];
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && (pages[to] & 1) == (pages[from] & 1); to++)
            ;
        if (pages[from] & 1) continue;
        drop(work, end, start + (int64_t)from * page, (int64_t)(to - from) * page, sync);
    }
}

static const unsigned begin_writing = SYNC_FILE_RANGE_WRITE;
static const unsigned finish_writing = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

/* Waits for reads that are no longer needed: a page can't be dropped before it has come. */
static void await_reads(struct work *work, struct watched *end)
{
    char byte;
    int64_t page = sysconf(_SC_PAGESIZE);
    for (int64_t at = work->offset & ~(page - 1); at < end->asked; at += page) {
        work->syscalls++;
        if (SYS(pread64, end->fd, &byte, 1, at) <= 0) break;
    }
    end->asked = 0;
}

/* Passes over all windows for the last time. */
static void leave(struct work *work, struct watched *end)
{
    if (end->start < 0) return;
    if (!end->written) await_reads(work, end);
    for (int slot = BEHIND; slot <= AHEAD; slot++)
        drop_window(work, end, slot, finish_writing);
}

/* Has a window read that the transfer is going to need, but nothing past the end of its range. */
static void read_ahead(struct work *work, struct watched *end, int slot)
{
    int64_t from = end->start + (int64_t)(slot - UNDER) * WINDOW_BYTES;
    int64_t to = from + WINDOW_BYTES;
    if (work->remaining >= 0) to = min_i64(to, work->offset + work->remaining);
    if (from < work->offset) from = work->offset;
    if (end->written || from >= to) return;
    work->syscalls++;
    SYS(fadvise64, end->fd, from, to - from, POSIX_FADV_WILLNEED);
    end->asked = to;
}

/* Moves the windows along to where the transfer is going to be. */
static void follow(struct work *work, struct watched *end, int64_t position)
{
    int64_t start = position & ~(int64_t)(WINDOW_BYTES - 1);
    if (start == end->start) return;
    if (start != end->start + WINDOW_BYTES || end->start < 0) {
        leave(work, end);
        end->start = start;
        memset(end->pages[BEHIND], 1, sizeof end->pages[BEHIND]);
        survey(work, end, UNDER);
        read_ahead(work, end, UNDER);
    } else {
        drop_window(work, end, BEHIND, finish_writing);
        drop_window(work, end, UNDER, begin_writing);
        end->start = start;
        memmove(end->pages[BEHIND], end->pages[UNDER], sizeof end->pages[BEHIND] * 2);
    }
    survey(work, end, AHEAD);
    read_ahead(work, end, AHEAD);
}

/* Another open file description of the file, for reading: -errno where there is no way to it. */
static int64_t open_again(struct work *work, int fd)
{
    char own[32];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    work->syscalls++;
    return keep_fd(SYS(openat, AT_FDCWD, own, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

/*
 * Puts an open file description of our own behind the source's descriptor, without readahead: to switch it
 * off on the caller's would be seen by the caller.
 */
static int64_t view_source(struct work *work)
{
    int64_t fd = open_again(work, work->source.fd);
    if (fd < 0) return fd;
    work->syscalls += 3;
    SYS(fadvise64, fd, 0, 0, POSIX_FADV_RANDOM);
    int64_t failed = SYS(dup3, fd, work->source.fd, O_CLOEXEC);
    close_kept((int)fd);
    return failed < 0 ? failed : work->source.fd;
}

/* A file that is open for writing only can't be mapped: it is opened again for reading. */
static int64_t view_target(struct work *work)
{
    work->syscalls++;
    int64_t flags = SYS(fcntl, work->target.fd, F_GETFL);
    bool readable = flags >= 0 && (flags & O_ACCMODE) != O_WRONLY;
    return readable ? work->target.fd : open_again(work, work->target.fd);
}

static struct watched *watch(struct work *work, const struct end *end, int64_t view, bool written)
{
    struct watched *watched = malloc(sizeof *watched);
    if (!watched) return NULL;
    *watched = (struct watched){.fd = end->fd, .view = (int)view, .written = written, .start = -1};
    watched->known = view >= 0 && is_told(work, watched->view);
    return watched;
}

static void unwatch(struct watched *end, close_file *close_file)
{
    if (!end) return;
    if (end->view != end->fd) close_file(end->view);
    free(end);
}

void dontcache_release(struct work *work, close_file *close_file)
{
    if (!work->dontcache) return;
    unwatch(work->dontcache->source, close_file);
    unwatch(work->dontcache->target, close_file);
    free(work->dontcache);
    work->dontcache = NULL;
}

static bool is_file(const struct end *end)
{
    return end->kind == SLUICE_KIND_FILE;
}

static bool watch_ends(struct work *work, struct dontcache *dontcache)
{
    if (is_file(&work->source)) {
        dontcache->source = watch(work, &work->source, view_source(work), false);
        if (!dontcache->source) return false;
    }
    if (!is_file(&work->target)) return true;
    dontcache->target = watch(work, &work->target, view_target(work), true);
    return dontcache->target;
}

static enum turn begin(struct work *work)
{
    work->dontcache = calloc(1, sizeof *work->dontcache);
    bool watched = work->dontcache && watch_ends(work, work->dontcache);
    return watched ? TURN_DONE : work_fail(work, ENOMEM, SLUICE_SIDE_NONE);
}

/* Where the next byte of the target goes. */
static int64_t target_position(struct work *work, int fd)
{
    struct stat status;
    if (work->target_offset >= 0) return work->target_offset;
    work->syscalls += 2;
    int64_t flags = SYS(fcntl, fd, F_GETFL);
    if (flags >= 0 && !(flags & O_APPEND)) return SYS(lseek, fd, 0, SEEK_CUR);
    int64_t failed = SYS(fstat, fd, &status);
    return failed < 0 ? failed : status.st_size;
}

/* Whether the mode can be kept: by knowing the pages, or by the kernel itself where `buffered` may ask it to. */
static bool is_kept(const struct work *work, const struct watched *end, bool asked)
{
    return !end || end->known || (asked && work->mechanism == buffered_turn);
}

void dontcache_finish(struct work *work)
{
    if (!work->dontcache) return;
    if (work->dontcache->source && work->dontcache->source->known) leave(work, work->dontcache->source);
    if (work->dontcache->target && work->dontcache->target->known) leave(work, work->dontcache->target);
}

enum turn dontcache_turn(struct work *work, struct lane *lane)
{
    if (!work->dontcache) {
        enum turn begun = begin(work);
        if (begun != TURN_DONE) return begun;
    }
    struct watched *source = work->dontcache->source, *target = work->dontcache->target;
    if (!is_kept(work, source, work->uncached_read)) return work_fail(work, ENODATA, SLUICE_SIDE_SOURCE);
    if (!is_kept(work, target, work->uncached_write)) return work_fail(work, ENODATA, SLUICE_SIDE_TARGET);
    if (source && source->known) follow(work, source, work->offset);
    if (target && target->known) follow(work, target, target_position(work, target->fd));
    enum turn turn = work->keeps_holes ? holes_turn(work, lane) : work->mechanism(work, lane);
    if (turn >= TURN_DONE) dontcache_finish(work);
    return turn;
}
