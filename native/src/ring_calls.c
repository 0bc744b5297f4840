/* What JavaScript does with a ring: no call waits. */
#include <string.h>

#include "ring_table.h"

/* A call that may copy megabytes does so outside the lock, as the ring's one user. */
static struct ring *begin(int32_t handle, enum ring_role role, int32_t *answer)
{
    static const char call;
    lock();
    struct ring *ring = ring_find(handle);
    int failed = !ring ? -EBADF : ring->user ? -EBUSY : ring_claim(ring, role);
    if (failed == 0) {
        ring->user = &call;
        ring->references++;
    }
    unlock();
    *answer = failed;
    return failed == 0 ? ring : NULL;
}

static int32_t finish(struct ring *ring, int64_t answer)
{
    lock();
    ring->user = NULL;
    ring_drop(ring);
    unlock();
    return (int32_t)answer;
}

static int64_t write_bytes(struct ring *ring, const char *bytes, uint32_t length)
{
    if (ring->ended) return -EPIPE;
    int64_t room = ring_room(ring);
    if (room < 0) return room;
    uint64_t most = room < length ? (uint64_t)room : length;
    if (most == 0) return length == 0 ? 0 : -EAGAIN;
    for (uint64_t at = 0; at < most;) {
        struct ring_span span = ring_free_span(ring, most - at);
        memcpy(span.bytes, bytes + at, span.length);
        ring_publish(ring, span.length);
        at += span.length;
    }
    ring_flush(ring);
    return (int64_t)most;
}

static int64_t read_bytes(struct ring *ring, char *bytes, uint32_t capacity)
{
    int64_t unread = ring_unread(ring);
    if (unread <= 0) return unread;
    uint64_t most = unread < capacity ? (uint64_t)unread : capacity;
    for (uint64_t at = 0; at < most;) {
        struct ring_span span = ring_full_span(ring, most - at);
        memcpy(bytes + at, span.bytes, span.length);
        ring_consume(ring, span.length);
        at += span.length;
    }
    return (int64_t)most;
}

int32_t sluice_ring_write(int32_t handle, void *bytes, uint32_t length)
{
    int32_t answer;
    struct ring *ring = begin(handle, RING_WRITER, &answer);
    return ring ? finish(ring, write_bytes(ring, bytes, length)) : answer;
}

int32_t sluice_ring_read(int32_t handle, void *bytes, uint32_t capacity)
{
    int32_t answer;
    struct ring *ring = begin(handle, RING_READER, &answer);
    return ring ? finish(ring, read_bytes(ring, bytes, capacity)) : answer;
}

int32_t sluice_ring_peek(int32_t handle, void *extent)
{
    int32_t answer;
    struct ring *ring = begin(handle, RING_READER, &answer);
    if (!ring) return answer;
    int64_t unread = ring_unread(ring);
    if (unread > 0) {
        struct ring_span span = ring_full_span(ring, (uint64_t)unread);
        int64_t start = span.bytes - ring->data;
        *(struct sluice_extent *)extent = (struct sluice_extent){start, start + (int64_t)span.length};
    }
    return finish(ring, unread > 0 ? 1 : unread);
}

int32_t sluice_ring_consume(int32_t handle, uint32_t length)
{
    int32_t answer;
    struct ring *ring = begin(handle, RING_READER, &answer);
    if (!ring) return answer;
    int64_t unread = ring_unread(ring);
    bool there = unread >= length;
    if (there) ring_consume(ring, length);
    return finish(ring, there ? 0 : unread < 0 ? unread : -EINVAL);
}

int32_t sluice_ring_end(int32_t handle)
{
    int32_t answer;
    struct ring *ring = begin(handle, RING_WRITER, &answer);
    if (!ring) return answer;
    return finish(ring, ring_end(ring));
}

int32_t sluice_ring_status(int32_t handle, void *status)
{
    lock();
    struct ring *ring = ring_find(handle);
    if (ring) {
        const struct ring_header *header = ring->header;
        *(struct sluice_ring_status *)status = (struct sluice_ring_status){
            .capacity = (int64_t)ring->capacity,
            .written = (int64_t)atomic_load(&header->written),
            .read = (int64_t)atomic_load(&header->read),
            .ended = atomic_load(&header->ended),
            .other = atomic_load(&header->parties[ring->party == RING_CREATOR ? RING_OPENER : RING_CREATOR]),
        };
    }
    unlock();
    return ring ? 0 : -EBADF;
}
