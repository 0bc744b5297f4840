/*
 * Jobs with a ring at one end: what is read goes straight into the shared memory, what is written comes straight out
 * of it.
 */
#include "mechanisms.h"
#include "ring.h"

/* Little pieces cost a system call each: below this much room the writer rather waits. */
static uint64_t chunk_of(const struct ring *ring)
{
    return ring->capacity / 4 < SLUICE_RING_LIMIT_CHUNK ? ring->capacity / 4 : SLUICE_RING_LIMIT_CHUNK;
}

static enum turn await_ring(struct work *work, uint64_t wants, enum turn turn)
{
    work->wants = (uint32_t)wants;
    return turn;
}

static enum turn fill(struct work *work, struct ring *ring)
{
    uint64_t chunk = chunk_of(ring);
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (is_complete(work)) return TURN_DONE;
        if (is_cancelled(work)) return TURN_CANCELLED;
        int64_t room = ring_room(ring);
        if (room < 0) return work_fail(work, room, SLUICE_SIDE_TARGET);
        size_t piece = wanted(work, (int64_t)chunk);
        if (room < (int64_t)piece) return await_ring(work, ring->capacity / 2, TURN_WAIT_TARGET);
        struct ring_span span = ring_free_span(ring, piece);
        int64_t n = read_source(work, span.bytes, span.length);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_SOURCE;
        if (n < 0) return work_fail(work, n, SLUICE_SIDE_SOURCE);
        if (n == 0) return source_ended(work);
        ring_publish(ring, (uint64_t)n);
        work_advance(work, n);
        budget -= n;
    }
    return is_complete(work) ? TURN_DONE : TURN_AGAIN;
}

static enum turn drain(struct work *work, struct ring *ring)
{
    uint64_t chunk = chunk_of(ring);
    for (int64_t budget = SLUICE_TURN_BYTES; budget > 0;) {
        if (is_complete(work)) return TURN_DONE;
        if (is_cancelled(work)) return TURN_CANCELLED;
        int64_t unread = ring_unread(ring);
        if (unread == -EAGAIN) return await_ring(work, ring->capacity / 4, TURN_WAIT_SOURCE);
        if (unread < 0) return work_fail(work, unread, SLUICE_SIDE_SOURCE);
        if (unread == 0) return TURN_EOF;
        struct ring_span span = ring_full_span(ring, wanted(work, min_i64(unread, (int64_t)chunk)));
        int64_t n = write_target(work, span.bytes, span.length);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return TURN_WAIT_TARGET;
        if (n < 0) return work_fail(work, n, SLUICE_SIDE_TARGET);
        ring_consume(ring, (uint64_t)n);
        work_advance(work, n);
        budget -= n;
    }
    return is_complete(work) ? TURN_DONE : TURN_AGAIN;
}

enum turn ring_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    struct ring *into = work->target.ring, *out_of = work->source.ring;
    if (!into == !out_of) return work_fail(work, EINVAL, SLUICE_SIDE_NONE);
    int failed = into ? ring_claim(into, RING_WRITER) : ring_claim(out_of, RING_READER);
    if (failed < 0) return work_fail(work, failed, into ? SLUICE_SIDE_TARGET : SLUICE_SIDE_SOURCE);
    if (out_of) return drain(work, out_of);
    if (into->ended) return work_fail(work, EPIPE, SLUICE_SIDE_TARGET);
    enum turn turn = fill(work, into);
    /* There may be no more for long. */
    ring_flush(into);
    return turn;
}
