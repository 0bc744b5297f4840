/* What JavaScript does with pairs of connections. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "contexts.h"
#include "pair.h"

static int give(struct flow *flow, const void *bytes, uint32_t length)
{
    if (length == 0) return 0;
    flow->residue = malloc(length);
    if (!flow->residue) return -ENOMEM;
    memcpy(flow->residue, bytes, length);
    flow->pending = length;
    return 0;
}

static void prepare(struct flow *flow, uint32_t flags, uint32_t cut)
{
    *flow = (struct flow){
        .pipe = {.read_fd = -1, .write_fd = -1}, .splices = flags & SLUICE_PAIR_SPLICE, .cut = flags & cut};
}

/* What is given counts as what was read, but for a head. */
static void limit(struct flow *flow, int64_t most, uint32_t head)
{
    flow->uncounted = head < flow->pending ? head : flow->pending;
    flow->remaining = most < 0 ? -1 : most - min_i64(most, (int64_t)(flow->pending - flow->uncounted));
}

static int32_t pair_start(struct pair *pair, const struct sluice_pair_request *request, const void *const given[2],
                          const uint32_t lengths[2])
{
    static const uint32_t cut[2] = {SLUICE_PAIR_CUT_TO_B, SLUICE_PAIR_CUT_TO_A};
    const int64_t most[2] = {request->most_to_b, request->most_to_a};
    if (!pair) return -EBADF;
    if (pair->state != PAIR_IDLE) return -EBUSY;
    int failed = 0;
    for (int i = 0; i < 2; i++) {
        prepare(&pair->flow[i], request->flags, cut[i]);
        if (failed == 0) failed = give(&pair->flow[i], given[i], lengths[i]);
        limit(&pair->flow[i], most[i], i == 0 ? request->head : 0);
    }
    atomic_store_explicit(&pair->cancel, false, memory_order_relaxed);
    atomic_store_explicit(&pair->moved_at, clock_ns(CLOCK_MONOTONIC_COARSE), memory_order_relaxed);
    pair->error = 0;
    pair->failed = SLUICE_SIDE_NONE;
    if (failed == 0) failed = relays_take(pair);
    if (failed < 0)
        for (int i = 0; i < 2; i++)
            flow_settle(&pair->flow[i]);
    return failed;
}

static void stop(struct pair *pair)
{
    atomic_store_explicit(&pair->cancel, true, memory_order_relaxed);
    relays_post(pair);
}

static void abandon(struct pair *pair)
{
    pair->closing = true;
    if (pair->state == PAIR_RUNNING)
        stop(pair);
    else if (pair->state == PAIR_IDLE || (pair->state == PAIR_ENDED && !context_is_open(pair->context)))
        pair_release(pair);
}

void pairs_abandon(int32_t context)
{
    pairs_of(context, abandon);
}

int32_t sluice_pair_open(int32_t context, int32_t a, int32_t b)
{
    lock();
    int32_t handle = pair_admit(context, a, b);
    unlock();
    return handle;
}

int32_t sluice_pair_start(int32_t handle, void *request, void *to_b, uint32_t to_b_length, void *to_a,
                          uint32_t to_a_length)
{
    lock();
    int32_t result = pair_start(pair_find(handle), request, (const void *const[]){to_b, to_a},
                                (const uint32_t[]){to_b_length, to_a_length});
    unlock();
    return result;
}

int32_t sluice_pair_stop(int32_t handle)
{
    lock();
    struct pair *pair = pair_find(handle);
    if (pair && pair->state == PAIR_RUNNING) stop(pair);
    unlock();
    return pair ? 0 : -EBADF;
}

/* Whose peers have ended or gone, whatever is still to be read of them. */
static uint32_t hung_up(const struct pair *pair)
{
    struct pollfd ends[2] = {{.fd = pair->side[0].fd, .events = POLLRDHUP},
                             {.fd = pair->side[1].fd, .events = POLLRDHUP}};
    struct timespec now = {0};
    if (SYS(ppoll, ends, 2, &now, NULL, 8) <= 0) return 0;
    return (uint32_t)(ends[0].revents != 0) | (uint32_t)(ends[1].revents != 0) << 1;
}

int32_t sluice_pair_progress(int32_t handle, void *progress)
{
    lock();
    struct pair *pair = pair_find(handle);
    if (pair) {
        int64_t at = atomic_load_explicit(&pair->moved_at, memory_order_relaxed);
        *(struct sluice_pair_progress *)progress = (struct sluice_pair_progress){
            .to_b_bytes = flow_moved(&pair->flow[0]),
            .to_a_bytes = flow_moved(&pair->flow[1]),
            .idle_ns = clock_ns(CLOCK_MONOTONIC_COARSE) - at,
            .hung_up = hung_up(pair),
        };
    }
    unlock();
    return pair ? 0 : -EBADF;
}

int32_t sluice_pair_close(int32_t handle, uint32_t with_reset)
{
    lock();
    struct pair *pair = pair_find(handle);
    if (pair) {
        pair->reset = with_reset != 0;
        abandon(pair);
    }
    unlock();
    return pair ? 0 : -EBADF;
}
