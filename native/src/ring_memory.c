/* The memory of a ring: made, opened and given back. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "ring.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3 */
#endif

/* The tables of core/abi/ring-layout.ts are what two builds agree on; this is our way to get at it. */
#define IS_AT(field, place) _Static_assert(offsetof(struct ring_header, field) == SLUICE_RING_AT_##place, #field)
IS_AT(magic, MAGIC);
IS_AT(version, VERSION);
IS_AT(header_bytes, HEADER_BYTES);
IS_AT(capacity, CAPACITY);
IS_AT(generation, GENERATION);
IS_AT(parties[RING_CREATOR], CREATOR);
IS_AT(parties[RING_OPENER], OPENER);
IS_AT(roles[RING_WRITER], WRITER);
IS_AT(roles[RING_READER], READER);
IS_AT(written, WRITTEN);
IS_AT(ended, ENDED);
IS_AT(read, READ);
IS_AT(reader_waits, READER_WAITS);
IS_AT(writer_waits, WRITER_WAITS);

/* Sizes are final: a process that cut the memory would have the other one killed (SIGBUS). */
enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

#define MS INT64_C(1000000)

/* --- memory --- */

/* Another open file description of the same memory. By hand: snprintf is nothing to take from a libc for this. */
static int open_again(int fd)
{
    char path[32] = "/proc/self/fd/";
    char digits[12];
    size_t count = 0, at = strlen(path);
    do
        digits[count++] = (char)('0' + fd % 10);
    while ((fd /= 10) > 0);
    while (count > 0)
        path[at++] = digits[--count];
    path[at] = '\0';
    return (int)keep_fd(SYS(openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC));
}

static int make_memory(size_t bytes)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int64_t fd = keep_fd(SYS(memfd_create, "sluice-ring", flags | MFD_NOEXEC_SEAL));
    if (fd == -EINVAL) fd = keep_fd(SYS(memfd_create, "sluice-ring", flags));
    if (fd < 0) return (int)fd;
    int64_t failed = SYS(ftruncate, fd, bytes);
    /* All of it now: later there would be no call that could fail for want of memory. */
    if (failed == 0) failed = SYS(fallocate, fd, 0, 0, (off_t)bytes);
    if (failed == 0) failed = SYS(fcntl, fd, F_ADD_SEALS, SEALS);
    if (failed < 0) {
        close_kept((int)fd);
        return (int)failed;
    }
    return (int)fd;
}

static int map_memory(struct ring *ring, size_t bytes)
{
    char *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
    if (address == MAP_FAILED) return -errno;
    ring->header = (struct ring_header *)(void *)address;
    ring->data = address + SLUICE_RING_AT_DATA;
    return 0;
}

static bool is_capacity(uint64_t bytes)
{
    return bytes >= SLUICE_RING_LIMIT_LEAST && bytes <= SLUICE_RING_LIMIT_MOST && (bytes & (bytes - 1)) == 0;
}

static struct ring *allocate(enum ring_party party)
{
    struct ring *ring = malloc(sizeof *ring);
    if (!ring) return NULL;
    *ring = (struct ring){.references = 1, .fd = -1, .hand_out = -1, .party = party, .role = RING_NO_ROLE};
    return ring;
}

static void give_back(struct ring *ring)
{
    if (ring->header) munmap(ring->header, SLUICE_RING_AT_DATA + ring->capacity);
    close_fd(&ring->fd);
    close_fd(&ring->hand_out);
    free(ring);
}

/* --- making --- */

static int make(struct ring *ring, uint32_t attach_ms)
{
    size_t bytes = SLUICE_RING_AT_DATA + ring->capacity;
    ring->hand_out = make_memory(bytes);
    if (ring->hand_out < 0) return ring->hand_out;
    ring->fd = open_again(ring->hand_out);
    if (ring->fd < 0) return ring->fd;
    int failed = ring_take_side(ring->fd, RING_CREATOR);
    if (failed == 0) failed = map_memory(ring, bytes);
    if (failed < 0) return failed;
    int64_t random = SYS(getrandom, &ring->generation, sizeof ring->generation, 0);
    if (random < 0) return (int)random;
    struct ring_header *header = ring->header;
    memcpy(header->magic, SLUICE_RING_MAGIC, sizeof header->magic);
    header->version = SLUICE_RING_VERSION;
    header->header_bytes = SLUICE_RING_AT_DATA;
    header->capacity = ring->capacity;
    header->generation = ring->generation;
    atomic_store(&header->parties[RING_CREATOR], SLUICE_RING_HERE);
    if (attach_ms > 0) ring->attach_by = clock_ns(CLOCK_MONOTONIC) + attach_ms * MS;
    return 0;
}

int ring_make(struct ring **made, uint32_t bytes, uint32_t attach_ms)
{
    if (!is_capacity(bytes)) return -EINVAL;
    struct ring *ring = allocate(RING_CREATOR);
    if (!ring) return -ENOMEM;
    ring->capacity = bytes;
    int failed = make(ring, attach_ms);
    if (failed < 0)
        give_back(ring);
    else
        *made = ring;
    return failed;
}

/* --- opening --- */

/* The capacity that a file's size leaves for data, or -EBADMSG; -EBADF where there is no file. */
static int64_t find_capacity(int fd)
{
    struct stat status;
    int64_t seals = SYS(fcntl, fd, F_GET_SEALS);
    if (seals == -EBADF) return seals;
    /* Only of memory whose size is final; and sealed against writing it is of no use. */
    if (seals < 0 || (seals & SEALS) != SEALS || seals & (F_SEAL_WRITE | 0x10 /* F_SEAL_FUTURE_WRITE */))
        return -EBADMSG;
    if (SYS(fstat, fd, &status) < 0) return -EBADMSG;
    int64_t capacity = (int64_t)status.st_size - SLUICE_RING_AT_DATA;
    return capacity > 0 && is_capacity((uint64_t)capacity) ? capacity : -EBADMSG;
}

static int attach(struct ring *ring, int fd)
{
    int64_t capacity = find_capacity(fd);
    if (capacity < 0) return (int)capacity;
    ring->fd = open_again(fd);
    if (ring->fd < 0) return ring->fd;
    ring->hand_out = open_again(fd);
    if (ring->hand_out < 0) return ring->hand_out;
    int failed = ring_take_side(ring->fd, RING_OPENER);
    if (failed < 0) return failed;
    ring->capacity = (uint64_t)capacity;
    failed = map_memory(ring, (size_t)(SLUICE_RING_AT_DATA + capacity));
    if (failed < 0) return failed;
    ring->generation = ring->header->generation;
    if (!ring_is_intact(ring)) return -EBADMSG;
    /* An opener before us has come and gone, and what it has read is not known. */
    uint32_t absent = SLUICE_RING_ABSENT;
    if (!atomic_compare_exchange_strong(&ring->header->parties[RING_OPENER], &absent, SLUICE_RING_HERE)) return -EBUSY;
    /* Of an empty ring that has ended its writer waits for this alone. */
    ring_wake_all(ring);
    return 0;
}

int ring_attach(struct ring **opened, int fd)
{
    struct ring *ring = allocate(RING_OPENER);
    if (!ring) return -ENOMEM;
    int failed = attach(ring, fd);
    if (failed < 0)
        give_back(ring);
    else
        *opened = ring;
    return failed;
}

void ring_destroy(struct ring *ring)
{
    /* Before the lock goes with the descriptor: a side that says nothing has died. */
    atomic_store(&ring->header->parties[ring->party], SLUICE_RING_CLOSED);
    ring_wake_all(ring);
    give_back(ring);
}
