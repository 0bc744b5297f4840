/*
 * Holes of the source stay holes in the target, which is new and empty: a mechanism is run over each run of data
 * (SEEK_DATA, SEEK_HOLE; lseek(2), Linux 3.1), and what lies between counts as the zeros that it reads as.
 */
#include <sys/stat.h>

#include "mechanisms.h"

/* Runs of a turn: enough to make the queue cheap, few enough to let others have their turn. */
#define RUNS_OF_A_TURN 512

/* Where the source ends now, but no further than at `end`; -errno. */
static int64_t size_now(struct work *work, int64_t end)
{
    struct stat status;
    work->syscalls++;
    int64_t failed = SYS(fstat, work->source.fd, &status);
    return failed < 0 ? failed : min_i64(status.st_size, end);
}

/* Passes over a hole, whose last bytes only the target's size can stand for. */
static enum turn pass_over(struct work *work, int64_t length)
{
    work_advance(work, length);
    if (length == 0 || !is_complete(work)) return TURN_AGAIN;
    work->syscalls++;
    int64_t failed = SYS(ftruncate, work->target.fd, work->target_offset);
    return failed < 0 ? work_fail(work, failed, SLUICE_SIDE_TARGET) : TURN_AGAIN;
}

/* No data is left: there is a hole up to the end, or the file has been cut, and its size tells. */
static enum turn last_hole(struct work *work, int64_t end)
{
    int64_t stop = size_now(work, end);
    if (stop < 0) return work_fail(work, stop, SLUICE_SIDE_SOURCE);
    enum turn passed = pass_over(work, stop > work->offset ? stop - work->offset : 0);
    return passed == TURN_AGAIN && !is_complete(work) ? TURN_EOF : passed;
}

/* Finds the next run of data and leaves the job at its start, with `work->run_end` behind it. TURN_AGAIN: go on. */
static enum turn find_run(struct work *work)
{
    int64_t at = work->offset, end = at + work->remaining;
    work->syscalls += 2;
    int64_t start = SYS(lseek, work->source.fd, at, SEEK_DATA);
    if (start == -ENXIO) return last_hole(work, end);
    int64_t stop = start < 0 || start >= end ? start : SYS(lseek, work->source.fd, start, SEEK_HOLE);
    /* A filesystem that can't tell holes has none to keep. */
    if (start == -EINVAL || start == -EOPNOTSUPP) start = at, stop = end;
    if (stop == -ENXIO) return TURN_AGAIN; /* cut in between: ask again */
    if (start < 0 || stop < 0) return work_fail(work, start < 0 ? start : stop, SLUICE_SIDE_SOURCE);
    /* btrfs was seen to answer offsets that lie before the one it was asked for, near 2^63. */
    if (start < at || (start < end && stop <= start)) return work_fail(work, EIO, SLUICE_SIDE_SOURCE);
    start = min_i64(start, end);
    work->run_end = min_i64(stop, end);
    return pass_over(work, start - at);
}

/* One turn of the mechanism, which sees no further than the run's end. */
static enum turn move_run(struct work *work, struct lane *lane)
{
    int64_t beyond = work->offset + work->remaining - work->run_end;
    work->remaining -= beyond;
    enum turn turn = work->mechanism(work, lane);
    work->remaining += beyond;
    if (turn == TURN_DONE) return TURN_AGAIN;
    /* Filesystems without the operation answer 0 where there are bytes: holes may have been counted before that. */
    bool lies =
        turn == TURN_EOF && work->mechanism == copy_file_range_turn && size_now(work, work->run_end) > work->offset;
    return lies ? work_fail(work, EINVAL, SLUICE_SIDE_NONE) : turn;
}

enum turn holes_turn(struct work *work, struct lane *lane)
{
    int64_t budget = SLUICE_TURN_BYTES;
    for (int runs = 0; runs < RUNS_OF_A_TURN && budget > 0; runs++) {
        if (is_complete(work)) return TURN_DONE;
        if (is_cancelled(work)) return TURN_CANCELLED;
        enum turn turn = work->offset < work->run_end ? TURN_AGAIN : find_run(work);
        if (turn != TURN_AGAIN) return turn;
        int64_t from = work->offset;
        if (from < work->run_end) turn = move_run(work, lane);
        if (turn != TURN_AGAIN) return turn;
        budget -= work->offset - from;
        /* Its windows follow from turn to turn. */
        if (work->dontcache) break;
    }
    return is_complete(work) ? TURN_DONE : TURN_AGAIN;
}
