/* Memory of the process as a source: written, or handed to a pipe page by page. See zerocopy.c for sockets. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "mechanisms.h"

static size_t copy_bytes(int64_t length)
{
    return length > 0 ? (size_t)length : 1;
}

/*
 * Pages of their own, and not the heap's: a pipe or a connection that refers to them (vmsplice, MSG_ZEROCOPY) keeps
 * them as they are after they are unmapped, where the heap would use them again.
 */
char *memory_copy_of(const char *bytes, int64_t length)
{
    int64_t copy = SYS(mmap, NULL, copy_bytes(length), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy < 0 && copy > -4096) return NULL;
    char *place = (char *)copy;
    memcpy(place, bytes, (size_t)length);
    return place;
}

void memory_free_copy(char *copy, int64_t length)
{
    if (copy) SYS(munmap, copy, copy_bytes(length));
}

/* Of open jobs, with the lock held. */
static int64_t held_bytes;

void memory_hold(struct work *work, const char *bytes, int64_t length, char *copy)
{
    work->memory = (struct memory){.bytes = copy ? copy : bytes, .length = length, .copy = copy};
    held_bytes += length;
}

int64_t memory_held(void)
{
    return held_bytes;
}

void memory_release(struct work *work)
{
    zerocopy_release(work);
    held_bytes -= work->memory.length;
    memory_free_copy(work->memory.copy, work->memory.length);
    work->memory = (struct memory){0};
}

/* What a write or a splice from memory came to; TURN_AGAIN to go on. */
static enum turn account(struct work *work, int64_t n)
{
    if (n == -EINTR) return TURN_AGAIN;
    if (n == -EAGAIN) return TURN_WAIT_TARGET;
    /* The caller gave the memory back to the system, against the rules. */
    if (n == -EFAULT) return work_fail(work, n, SLUICE_SIDE_SOURCE);
    if (n < 0) return work_fail(work, n, SLUICE_SIDE_TARGET);
    work_advance(work, n);
    return TURN_AGAIN;
}

enum turn memory_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    int64_t most = atomic_load_explicit(&work->moved, memory_order_relaxed) + SLUICE_TURN_BYTES;
    while (!is_complete(work)) {
        int64_t left = most - atomic_load_explicit(&work->moved, memory_order_relaxed);
        if (is_cancelled(work)) return TURN_CANCELLED;
        if (left <= 0) return TURN_AGAIN;
        enum turn turn = account(work, write_target(work, work->memory.bytes + work->offset, wanted(work, left)));
        if (turn != TURN_AGAIN) return turn;
    }
    return TURN_DONE;
}

/*
 * vmsplice(2) puts references to the caller's pages into the pipe: SPLICE_F_GIFT is not set, for it would ask for whole
 * pages that are never touched again. A reader of the pipe sees what the memory holds then.
 */
enum turn vmsplice_turn(struct work *work, struct lane *lane)
{
    (void)lane;
    int64_t most = atomic_load_explicit(&work->moved, memory_order_relaxed) + SLUICE_TURN_BYTES;
    while (!is_complete(work)) {
        int64_t left = most - atomic_load_explicit(&work->moved, memory_order_relaxed);
        if (is_cancelled(work)) return TURN_CANCELLED;
        if (left <= 0) return TURN_AGAIN;
        struct iovec slice = {.iov_base = (char *)work->memory.bytes + work->offset, .iov_len = wanted(work, left)};
        work->syscalls++;
        enum turn turn = account(work, SYS(vmsplice, work->target.fd, &slice, 1, SPLICE_F_NONBLOCK));
        if (turn != TURN_AGAIN) return turn;
    }
    return TURN_DONE;
}
