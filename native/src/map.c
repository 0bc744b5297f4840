/* Mappings of files that JavaScript reads and writes: mmap(2), madvise(2), mincore(2), msync(2). */
#include <fcntl.h>
#include <sys/mman.h>

#include "closing.h"
#include "lanes.h"
#include "mappings.h"

/*
 * Every mapping is writable, since JavaScript has no typed arrays that are read-only: a write to a page without the
 * right would end the process. What is written to one that isn't shared stays in this process (copy-on-write).
 */
enum { PROTECTION = PROT_READ | PROT_WRITE };

static int64_t map_file(int32_t context, int fd, struct sluice_mapping *mapping)
{
    /* Pages are paid for when they are written, not for the whole of a file that is only read. */
    int flags = mapping->shared ? MAP_SHARED : MAP_PRIVATE | MAP_NORESERVE;
    void *address = mmap(NULL, (size_t)mapping->length, PROTECTION, flags, fd, mapping->offset);
    if (address == MAP_FAILED) return -errno;
    mapping->address = (intptr_t)address;
    int32_t handle = guard_install();
    if (handle == 0) handle = mapping_add(context, address, (size_t)mapping->length, mapping->offset, fd);
    if (handle < 0) munmap(address, (size_t)mapping->length);
    return handle;
}

int32_t sluice_map(int32_t context, int32_t fd, void *mapping)
{
    int64_t copy = keep_fd(SYS(fcntl, fd, F_DUPFD_CLOEXEC, 3));
    if (copy < 0) return (int32_t)copy;
    int64_t handle = map_file(context, (int)copy, mapping);
    if (handle < 0) close_where_it_may_wait((int)copy);
    lock();
    lanes_look_out();
    unlock();
    return (int32_t)handle;
}

uint32_t maps_open(void)
{
    return mappings_owned();
}

static int64_t blank(struct mapping *mapping)
{
    int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    int64_t answer = SYS(mmap, mapping->address, mapping->length, PROTECTION, flags, -1, 0);
    return answer < 0 ? answer : 0;
}

/* By a user of the mapping, who leaves it. */
static int64_t release_file(struct mapping *mapping)
{
    /* Noted first: a thread that reads meanwhile finds the file or zeros. */
    mapping_lose(mapping, mapping->offset);
    int64_t failed = blank(mapping);
    if (failed) {
        mapping_leave(mapping);
        return failed;
    }
    if (!mapping_retire(mapping)) return 0;
    close_where_it_may_wait(mapping->fd);
    mapping->fd = -1;
    return 0;
}

int32_t sluice_map_blank(int32_t handle)
{
    struct mapping *mapping = mapping_use(handle);
    return mapping ? (int32_t)release_file(mapping) : -EBADF;
}

void maps_orphaned(int32_t context)
{
    for (struct mapping *mapping; (mapping = mapping_orphan(context));)
        if (release_file(mapping) == 0) mapping_bury(mapping);
}

int32_t sluice_unmap(int32_t handle)
{
    struct mapping *mapping = mapping_hide(handle);
    if (!mapping) return -EBADF;
    int failed = munmap(mapping->address, mapping->length) ? -errno : 0;
    close_where_it_may_wait(mapping->fd);
    mapping->fd = -1;
    mapping_remove(mapping);
    return failed;
}

int32_t sluice_map_lost(int32_t handle, void *loss)
{
    struct mapping *mapping = mapping_use(handle);
    if (!mapping) return -EBADF;
    int64_t lost = mapping_lost(mapping);
    ((struct sluice_loss *)loss)->offset = lost == NOTHING_LOST ? -1 : lost;
    mapping_leave(mapping);
    return 0;
}

/* A range of a mapping in whole pages. */
struct pages {
    char *start;
    size_t length;
};

static bool find_pages(const struct mapping *mapping, int64_t start, int64_t end, struct pages *pages)
{
    if (start < 0 || end < start || end > (int64_t)mapping->length) return false;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), first = (size_t)start & ~(page - 1);
    *pages = (struct pages){mapping->address + first, (((size_t)end + page - 1) & ~(page - 1)) - first};
    return true;
}

typedef int64_t on_pages(struct pages pages, void *argument);

static int32_t with_pages(int32_t handle, const struct sluice_extent *range, on_pages *work, void *argument)
{
    struct pages pages;
    struct mapping *mapping = mapping_use(handle);
    if (!mapping) return -EBADF;
    int64_t answer = find_pages(mapping, range->start, range->end, &pages) ? work(pages, argument) : -EINVAL;
    mapping_leave(mapping);
    return (int32_t)answer;
}

static int64_t advise(struct pages pages, void *advice)
{
    return SYS(madvise, pages.start, pages.length, *(uint32_t *)advice);
}

int32_t sluice_map_advise(int32_t handle, void *range, uint32_t advice)
{
    return with_pages(handle, range, advise, &advice);
}

static int64_t flush(struct pages pages, void *argument)
{
    (void)argument;
    return SYS(msync, pages.start, pages.length, MS_SYNC);
}

int32_t sluice_map_flush(int32_t handle, void *range)
{
    return with_pages(handle, range, flush, NULL);
}

static int64_t count_resident(struct pages pages, void *total)
{
    enum { BATCH = 4096 };
    unsigned char vector[BATCH];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int64_t resident = 0;
    for (size_t at = 0; at < pages.length; at += BATCH * page) {
        size_t length = (size_t)min_i64((int64_t)(pages.length - at), (int64_t)(BATCH * page));
        int64_t failed = SYS(mincore, pages.start + at, length, vector);
        if (failed < 0) return failed;
        for (size_t i = 0; i < length / page; i++)
            resident += vector[i] & 1;
    }
    *(int64_t *)total = resident * (int64_t)page;
    return 0;
}

int32_t sluice_map_residency(int32_t handle, void *residency)
{
    struct sluice_residency *record = residency;
    struct sluice_extent range = {.start = record->start, .end = record->end};
    return with_pages(handle, &range, count_resident, &record->bytes);
}
