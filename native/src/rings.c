/* The table of rings, and their functions for JavaScript: none of them waits. */
#include "rings.h"

#include <string.h>

struct entry {
    struct slot slot;
    struct ring *ring;
};

static uint32_t open_rings; /* with those that a job still refers to */
static struct table rings = {.entry_bytes = sizeof(struct entry)};

static struct entry *entry_of(struct slot *slot)
{
    return (struct entry *)slot;
}

static struct ring *ring_find(int32_t handle)
{
    struct slot *slot = table_find(&rings, handle);
    return slot ? entry_of(slot)->ring : NULL;
}

uint32_t rings_open(void)
{
    return open_rings;
}

/* --- references --- */

struct ring *ring_refer(int32_t context, int32_t handle)
{
    struct ring *ring = ring_find(handle);
    if (!ring || ring->context != context) return NULL;
    ring->references++;
    return ring;
}

int32_t ring_context(int32_t handle)
{
    struct ring *ring = ring_find(handle);
    return ring ? ring->context : 0;
}

void ring_drop(struct ring *ring)
{
    if (--ring->references > 0) return;
    open_rings--;
    ring_destroy(ring);
}

static void slot_free(struct slot *slot)
{
    struct ring *ring = entry_of(slot)->ring;
    table_give_back(&rings, slot);
    ring_drop(ring);
}

void rings_release(int32_t context)
{
    for (struct slot *slot = NULL; (slot = table_next(&rings, slot));)
        if (entry_of(slot)->ring->context == context) slot_free(slot);
}

int ring_enter(struct ring *ring, const void *user)
{
    if (ring->user && ring->user != user) return -EBUSY;
    ring->user = user;
    return 0;
}

void ring_leave(struct ring *ring, const void *user)
{
    if (ring->user == user) ring->user = NULL;
}

/* --- making and opening --- */

/* Maps and locks outside the engine's lock: making a ring takes milliseconds. */
static int32_t ring_admit(int32_t context, struct ring *ring)
{
    lock();
    struct slot *slot = context_is_open(context) ? table_take(&rings) : NULL;
    int32_t answer = slot ? table_handle(slot) : context_is_open(context) ? -ENOMEM : -EBADF;
    if (slot) {
        entry_of(slot)->ring = ring;
        ring->context = context;
        open_rings++;
    }
    unlock();
    if (!slot) ring_destroy(ring);
    return answer;
}

int32_t sluice_ring_create(int32_t context, uint32_t bytes, uint32_t attach_ms)
{
    struct ring *ring;
    int failed = ring_make(&ring, bytes, attach_ms);
    return failed < 0 ? failed : ring_admit(context, ring);
}

int32_t sluice_ring_open(int32_t context, int32_t fd)
{
    struct ring *ring;
    int failed = ring_attach(&ring, fd);
    return failed < 0 ? failed : ring_admit(context, ring);
}

int32_t sluice_ring_fd(int32_t handle)
{
    lock();
    struct ring *ring = ring_find(handle);
    int32_t fd = ring && ring->hand_out >= 0 ? ring->hand_out : -EBADF;
    unlock();
    return fd;
}

int32_t sluice_ring_close(int32_t handle)
{
    lock();
    struct slot *slot = table_find(&rings, handle);
    if (slot) slot_free(slot);
    unlock();
    return slot ? 0 : -EBADF;
}

/* --- using --- */

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
