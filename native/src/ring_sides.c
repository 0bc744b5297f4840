/* Who is at the two sides of a ring, and whether they are still there. */
#include <fcntl.h>
#include <string.h>

#include "ring.h"

#define MS INT64_C(1000000)

/* --- locks: a side is there as long as its open file description is, which the kernel closes with its process --- */

static struct flock lock_of(enum ring_party party)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = party, .l_len = 1};
}

int ring_take_side(int fd, enum ring_party party)
{
    struct flock lock = lock_of(party);
    int64_t failed = SYS(fcntl, fd, F_OFD_SETLK, &lock);
    return failed == -EAGAIN || failed == -EACCES ? -EBUSY : (int)failed;
}

/* Whether another has it. */
static bool is_locked(int fd, enum ring_party party)
{
    struct flock lock = lock_of(party);
    return SYS(fcntl, fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool ring_is_intact(const struct ring *ring)
{
    const volatile struct ring_header *header = ring->header;
    return memcmp(ring->header->magic, SLUICE_RING_MAGIC, sizeof header->magic) == 0 &&
           header->version == SLUICE_RING_VERSION && header->header_bytes == SLUICE_RING_AT_DATA &&
           header->capacity == ring->capacity && header->generation == ring->generation;
}

int ring_claim(struct ring *ring, enum ring_role role)
{
    if (ring->role == role) return 0;
    if (ring->role != RING_NO_ROLE) return -EBUSY;
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong(&ring->header->roles[role], &none, (uint32_t)ring->party + 1)) return -EBUSY;
    ring->role = role;
    return 0;
}

/* Asked of the kernel now and then only: one system call. */
static bool is_alive(struct ring *ring, enum ring_party other)
{
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    if (now - ring->looked_at < SLUICE_RING_LIMIT_CHECK_MS * MS) return true;
    if (!is_locked(ring->fd, other)) return false;
    ring->looked_at = now;
    return true;
}

static enum ring_party other_party(const struct ring *ring)
{
    return ring->party == RING_CREATOR ? RING_OPENER : RING_CREATOR;
}

bool ring_is_met(const struct ring *ring)
{
    return atomic_load(&ring->header->parties[other_party(ring)]) != SLUICE_RING_ABSENT;
}

int ring_peer(struct ring *ring)
{
    if (!ring_is_intact(ring)) return -EBADMSG;
    enum ring_party other = other_party(ring);
    _Atomic uint32_t *state = &ring->header->parties[other];
    switch (atomic_load(state)) {
    case SLUICE_RING_ABSENT:
        if (other == RING_CREATOR) return -EBADMSG;
        return ring->attach_by && clock_ns(CLOCK_MONOTONIC) > ring->attach_by ? -ETIMEDOUT : 0;
    case SLUICE_RING_HERE:
        if (is_alive(ring, other)) return 0;
        /* It may have said so, and released its lock, since we looked. */
        return atomic_load(state) == SLUICE_RING_CLOSED ? -EPIPE : -EOWNERDEAD;
    case SLUICE_RING_CLOSED: return -EPIPE;
    default: return -EBADMSG;
    }
}
