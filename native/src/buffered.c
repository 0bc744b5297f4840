/* read(2) and write(2) through the worker's buffer. */
#include <stdlib.h>
#include <string.h>

#include "job.h"

/* Keeps what a stream gave and the target did not take. Bytes of a file are read again instead. */
static int keep_residue(struct job *job, const char *bytes, size_t length)
{
    if (is_positioned(job)) return 0;
    job->pending = length;
    job->residue_at = 0;
    job->residue = malloc(length);
    if (!job->residue) return -ENOMEM;
    memcpy(job->residue, bytes, length);
    return 0;
}

/* Writes what was read; TURN_DONE when all of it left. */
static enum turn write_all(struct job *job, const struct lane *lane, const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        int64_t n = write_target(job, bytes + at, length - at);
        if (n == -EINTR) continue;
        if (n == -EAGAIN && lane->linger && lane->linger(job, lane, TURN_WAIT_TARGET)) continue;
        if (n < 0) {
            int kept = keep_residue(job, bytes + at, length - at);
            if (kept < 0) return job_fail(job, kept, SLUICE_SIDE_NONE);
            return n == -EAGAIN ? TURN_WAIT_TARGET : job_fail(job, n, SLUICE_SIDE_TARGET);
        }
        job_advance(job, n);
        at += (size_t)n;
    }
    return TURN_DONE;
}

enum turn buffered_turn(struct job *job, struct lane *lane)
{
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        enum turn flushed = flush_residue(job);
        if (flushed != TURN_DONE) return flushed;
        if (is_complete(job)) return TURN_DONE;
        if (is_cancelled(job)) return TURN_CANCELLED;
        int64_t n = read_source(job, lane->buffer, wanted(job, (int64_t)lane->buffer_size));
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_SOURCE;
        if (n < 0) return job_fail(job, n, SLUICE_SIDE_SOURCE);
        if (n == 0) return source_ended(job);
        budget -= n;
        enum turn written = write_all(job, lane, lane->buffer, (size_t)n);
        if (written != TURN_DONE) return written;
    }
    return is_complete(job) ? TURN_DONE : TURN_AGAIN;
}
