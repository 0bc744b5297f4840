/*
 * Positions and wake-ups. What one side writes before it moves its position, the other sees after it has read that
 * position: both are sequentially consistent. So are the words that announce a sleeper, which makes the one race there
 * is a fair one: of the two that say "I have moved" and "I am going to sleep", and then each look for the other's word,
 * at least one sees it.
 */
#include <linux/futex.h>

#include "ring.h"

static void wake(_Atomic uint32_t *word)
{
    /* Not FUTEX_PRIVATE_FLAG: the sleeper is in another process. */
    if (atomic_exchange(word, 0)) SYS(futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void ring_wake_all(struct ring *ring)
{
    wake(&ring->header->reader_waits);
    wake(&ring->header->writer_waits);
}

static struct ring_span span_at(const struct ring *ring, uint64_t length)
{
    uint64_t at = ring->position & (ring->capacity - 1), left = ring->capacity - at;
    return (struct ring_span){.bytes = ring->data + at, .length = length < left ? length : left};
}

/* --- the writer --- */

/* Bytes that have been written and not read, or -EBADMSG where the reader's position makes no sense. */
static int64_t count_used(struct ring *ring)
{
    uint64_t read = atomic_load(&ring->header->read);
    uint64_t used = ring->position - read;
    if (read < ring->seen || used > ring->capacity) return -EBADMSG;
    ring->seen = read;
    return (int64_t)used;
}

int64_t ring_room(struct ring *ring)
{
    int peer = ring_peer(ring);
    if (peer < 0) return peer;
    int64_t used = count_used(ring);
    return used < 0 ? used : (int64_t)ring->capacity - used;
}

struct ring_span ring_free_span(const struct ring *ring, uint64_t length)
{
    return span_at(ring, length);
}

void ring_publish(struct ring *ring, uint64_t length)
{
    struct ring_header *header = ring->header;
    ring->position += length;
    atomic_store(&header->written, ring->position);
    uint32_t wants = atomic_load(&header->reader_waits);
    if (wants && ring->position - atomic_load(&header->read) >= wants) wake(&header->reader_waits);
}

void ring_flush(struct ring *ring)
{
    if (atomic_load(&ring->header->reader_waits)) wake(&ring->header->reader_waits);
}

int ring_end(struct ring *ring)
{
    if (ring->ended) return 0;
    /* From here on a reader may go once it has everything. One that is dead by now never hears that this was all. */
    ring->looked_at = 0;
    int peer = ring_peer(ring);
    if (peer == -EOWNERDEAD || peer == -EBADMSG) return peer;
    ring->ended = true;
    atomic_store(&ring->header->ended, 1);
    ring_flush(ring);
    return 0;
}

/* After the end: 0 once a reader has come and taken everything, -EAGAIN: not yet; or why none will. */
static int drained(struct ring *ring)
{
    int peer = ring_peer(ring);
    /* After that look: a reader that has taken everything may go, and has to be told from one that hasn't. */
    int64_t used = count_used(ring);
    if (used < 0) return (int)used;
    if (used > 0 || !ring_is_met(ring)) return peer < 0 ? peer : -EAGAIN;
    return peer == -EBADMSG ? peer : 0;
}

/* --- the reader --- */

static int64_t count_unread(struct ring *ring)
{
    uint64_t written = atomic_load(&ring->header->written);
    uint64_t unread = written - ring->position;
    if (written < ring->seen || unread > ring->capacity) return -EBADMSG;
    ring->seen = written;
    return (int64_t)unread;
}

int64_t ring_unread(struct ring *ring)
{
    int64_t unread = count_unread(ring);
    if (unread != 0) return unread;
    bool ended = atomic_load(&ring->header->ended);
    int peer = ended ? 0 : ring_peer(ring);
    if (!ended && peer == 0) return -EAGAIN;
    /* It may have written, and said that that was all, between our two looks. */
    unread = count_unread(ring);
    if (unread != 0) return unread;
    if (atomic_load(&ring->header->ended)) return 0;
    return peer == -EPIPE ? -ECONNRESET : peer;
}

struct ring_span ring_full_span(const struct ring *ring, uint64_t length)
{
    return span_at(ring, length);
}

void ring_consume(struct ring *ring, uint64_t length)
{
    struct ring_header *header = ring->header;
    ring->position += length;
    atomic_store(&header->read, ring->position);
    uint32_t wants = atomic_load(&header->writer_waits);
    if (wants && ring->capacity - (atomic_load(&header->written) - ring->position) >= wants)
        wake(&header->writer_waits);
}

/* --- waiting --- */

_Atomic uint32_t *ring_word(const struct ring *ring)
{
    return ring->role == RING_READER ? &ring->header->reader_waits : &ring->header->writer_waits;
}

void ring_announce(struct ring *ring, uint32_t wants)
{
    atomic_store(ring_word(ring), wants);
}

int64_t ring_look(struct ring *ring)
{
    if (ring->role == RING_READER) return ring_unread(ring);
    return ring->ended ? drained(ring) : ring_room(ring);
}

bool ring_is_ready(struct ring *ring, uint32_t wants)
{
    int64_t answer = ring_look(ring);
    bool writes = ring->role != RING_READER && !ring->ended;
    return writes ? answer < 0 || answer >= wants : answer != -EAGAIN;
}

bool ring_await(struct ring *ring, uint32_t wants, uint32_t ms)
{
    struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    ring_announce(ring, wants);
    if (!ring_is_ready(ring, wants)) SYS(futex, ring_word(ring), FUTEX_WAIT, wants, &timeout, NULL, 0);
    ring_announce(ring, 0);
    return ring_is_ready(ring, wants);
}
