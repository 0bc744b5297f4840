/* mmap(2) of a window and write(2) from it. */
#include <sys/mman.h>
#include <sys/stat.h>

#include "mechanisms.h"

#define WINDOW_BYTES (1 << 20)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

/* Bytes of the source from the job's offset to its end as it is now; -errno. */
static int64_t bytes_left(struct work *work)
{
    struct stat status;
    work->syscalls++;
    int64_t failed = SYS(fstat, work->source.fd, &status);
    if (failed < 0) return failed;
    return status.st_size > work->offset ? status.st_size - work->offset : 0;
}

/*
 * Writes from the window. When the file is truncated under the mapping, write(2) raises no SIGBUS:
 * it gives a short count and then EFAULT. But the rest of the page that holds the new end reads as
 * zeros, so the size is asked again after each write and only bytes before the new end are counted:
 * those after it may have left as they were, or as zeros, and nothing tells which.
 */
static enum turn write_window(struct work *work, const char *window, size_t length)
{
    size_t most = length;
    for (size_t at = 0; at < length;) {
        if (is_cancelled(work)) return TURN_CANCELLED;
        size_t asked = length - at < most ? length - at : most;
        int64_t n = write_target(work, window + at, asked);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_TARGET;
        int64_t left = bytes_left(work);
        if (left < 0) return work_fail(work, left, SLUICE_SIDE_SOURCE);
        if (n == -EFAULT && left < (int64_t)(length - at)) return TURN_EOF;
        /* A page can't be read. A socket then takes none of a buffer that has it, so ever less is asked for. */
        if (n == -EFAULT && asked == 1) return work_fail(work, EIO, SLUICE_SIDE_SOURCE);
        if (n == -EFAULT) {
            most = asked / 2;
            continue;
        }
        if (n < 0) return work_fail(work, n, SLUICE_SIDE_TARGET);
        work_advance(work, min_i64(n, left));
        if (left < n) return TURN_EOF;
        at += (size_t)n;
    }
    return TURN_AGAIN;
}

enum turn mapped_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    enum turn turn = TURN_AGAIN;
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0 && turn == TURN_AGAIN;) {
        if (is_complete(work)) return TURN_DONE;
        if (is_cancelled(work)) return TURN_CANCELLED;
        int64_t left = bytes_left(work);
        if (left < 0) return work_fail(work, left, SLUICE_SIDE_SOURCE);
        if (left == 0) return TURN_EOF;
        size_t length = wanted(work, min_i64(left, WINDOW_BYTES));
        /* A mapping starts on a page; 64 KiB is a multiple of every page size of Linux. */
        int64_t base = work->offset & ~(int64_t)0xffff;
        size_t lead = (size_t)(work->offset - base);
        work->syscalls += 3;
        char *window = mmap(NULL, lead + length, PROT_READ, MAP_SHARED, work->source.fd, base);
        if (window == MAP_FAILED) return work_fail(work, errno, SLUICE_SIDE_SOURCE);
        /*
         * One call instead of a fault for every few pages. Not MAP_POPULATE, which tries a page that can't be read
         * again for ever; whatever this one says, the write finds out.
         */
        size_t ahead = lead & ~((size_t)sysconf(_SC_PAGESIZE) - 1);
        SYS(madvise, window + ahead, lead - ahead + length, MADV_POPULATE_READ);
        turn = write_window(work, window + lead, length);
        munmap(window, lead + length);
        budget -= (int64_t)length;
    }
    return turn == TURN_AGAIN && is_complete(work) ? TURN_DONE : turn;
}
