/* read(2) and write(2) through the worker's buffer. */
#include <stdlib.h>
#include <string.h>

#include "mechanisms.h"

/* Keeps what a stream gave and the target did not take. Bytes of a file are read again instead. */
static int keep_residue(struct work *work, const char *bytes, size_t length)
{
    if (is_positioned(work)) return 0;
    work->pending = length;
    work->residue_at = 0;
    work->residue = malloc(length);
    if (!work->residue) return -ENOMEM;
    memcpy(work->residue, bytes, length);
    return 0;
}

/* Writes what was read; TURN_DONE when all of it left. */
static enum turn write_all(struct work *work, const struct lane *lane, const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        int64_t n = write_target(work, bytes + at, length - at);
        if (n == -EINTR) continue;
        if (n == -EAGAIN && lane->linger && lane->linger(work, lane, TURN_WAIT_TARGET)) continue;
        if (n < 0) {
            int kept = keep_residue(work, bytes + at, length - at);
            if (kept < 0) return work_fail(work, kept, SLUICE_SIDE_NONE);
            return n == -EAGAIN ? TURN_WAIT_TARGET : work_fail(work, n, SLUICE_SIDE_TARGET);
        }
        work_advance(work, n);
        at += (size_t)n;
    }
    return TURN_DONE;
}

enum turn buffered_turn(struct work *work, struct lane *lane)
{
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        enum turn flushed = flush_residue(work);
        if (flushed != TURN_DONE) return flushed;
        if (is_complete(work)) return TURN_DONE;
        if (is_cancelled(work)) return TURN_CANCELLED;
        int64_t n = read_source(work, lane->buffer, wanted(work, (int64_t)lane->buffer_size));
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_SOURCE;
        if (n < 0) return work_fail(work, n, SLUICE_SIDE_SOURCE);
        if (n == 0) return source_ended(work);
        budget -= n;
        enum turn written = write_all(work, lane, lane->buffer, (size_t)n);
        if (written != TURN_DONE) return written;
    }
    return is_complete(work) ? TURN_DONE : TURN_AGAIN;
}
