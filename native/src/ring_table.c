/* The table of rings: made or opened, referred to and closed. */
#include "ring_table.h"

#include "contexts.h"

struct entry {
    struct slot slot;
    struct ring *ring;
};

static uint32_t open_rings; /* with those that a job still refers to */
static int64_t open_bytes;  /* of their data */
static struct table rings = {.entry_bytes = sizeof(struct entry)};

static struct entry *entry_of(struct slot *slot)
{
    return (struct entry *)slot;
}

struct ring *ring_find(int32_t handle)
{
    struct slot *slot = table_find(&rings, handle);
    return slot ? entry_of(slot)->ring : NULL;
}

uint32_t rings_open(int64_t *bytes)
{
    *bytes = open_bytes;
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
    open_bytes -= (int64_t)ring->capacity;
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
        open_bytes += (int64_t)ring->capacity;
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
