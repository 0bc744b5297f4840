/* The table of pairs, and what JavaScript may do with them. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "pair.h"

static struct table pairs = {.entry_bytes = sizeof(struct pair)};

static struct pair *pair_of(struct slot *slot)
{
    return (struct pair *)slot;
}

static struct pair *find(int32_t handle)
{
    struct pair *pair = pair_of(table_find(&pairs, handle));
    return pair && !pair->closing ? pair : NULL;
}

static int duplicate(struct side *side, int fd)
{
    int64_t copy = SYS(fcntl, fd, F_DUPFD_CLOEXEC, 0);
    *side = (struct side){.fd = (int)copy, .readable = true, .writable = true};
    return copy < 0 ? (int)copy : 0;
}

static int32_t pair_open(int32_t context, int a, int b)
{
    if (!context_is_open(context)) return -EBADF;
    struct pair *pair = pair_of(table_take(&pairs));
    if (!pair) return -ENOMEM;
    int failed = duplicate(&pair->side[0], a);
    if (failed == 0) {
        failed = duplicate(&pair->side[1], b);
        if (failed < 0) close_fd(&pair->side[0].fd);
    }
    if (failed < 0) {
        table_give_back(&pairs, &pair->slot);
        return failed;
    }
    pair->next = NULL;
    pair->state = PAIR_IDLE;
    pair->context = context;
    pair->closing = pair->reset = pair->posted = false;
    pair->relay = NULL;
    return table_handle(&pair->slot);
}

/*
 * Connecting a TCP socket to AF_UNSPEC aborts its connection (connect(2), RFC 9293 3.10.5), whoever else has it open. Unix
 * sockets know of no such thing.
 */
static void reset(int fd)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    if (SYS(connect, fd, &nowhere, sizeof nowhere) < 0) SYS(shutdown, fd, SHUT_RDWR);
}

void pair_release(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        if (pair->reset) reset(pair->side[i].fd);
        put_off_end(&(struct end){.fd = pair->side[i].fd, .kind = SLUICE_KIND_SOCKET});
        pair->side[i].fd = -1;
    }
    table_give_back(&pairs, &pair->slot);
}

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
    for (struct slot *slot = NULL; (slot = table_next(&pairs, slot));)
        if (pair_of(slot)->context == context) abandon(pair_of(slot));
}

uint32_t pairs_open(void)
{
    return pairs.used;
}

static int64_t moved(struct flow *flow)
{
    return atomic_load_explicit(&flow->moved, memory_order_relaxed);
}

void pair_report(struct pair *pair, struct sluice_pair_outcome *outcome)
{
    struct flow *to_b = &pair->flow[0], *to_a = &pair->flow[1];
    bool failed = pair->end == SLUICE_PAIR_END_FAILED;
    pair->state = PAIR_IDLE;
    *outcome = (struct sluice_pair_outcome){
        .pair = table_handle(&pair->slot),
        .end = pair->end,
        .error = failed ? pair->error : 0,
        .failed = failed ? pair->failed : SLUICE_SIDE_NONE,
        .to_b_bytes = moved(to_b),
        .to_b_spliced = to_b->spliced,
        .to_b_stranded = to_b->stranded,
        .to_b_syscalls = to_b->syscalls,
        .to_b_waits = to_b->waits,
        .to_a_bytes = moved(to_a),
        .to_a_spliced = to_a->spliced,
        .to_a_stranded = to_a->stranded,
        .to_a_syscalls = to_a->syscalls,
        .to_a_waits = to_a->waits,
        .ended = (uint32_t)to_b->ended | (uint32_t)to_a->ended << 1,
    };
}

int32_t sluice_pair_open(int32_t context, int32_t a, int32_t b)
{
    lock();
    int32_t handle = pair_open(context, a, b);
    unlock();
    return handle;
}

int32_t sluice_pair_start(int32_t handle, void *request, void *to_b, uint32_t to_b_length, void *to_a,
                          uint32_t to_a_length)
{
    lock();
    int32_t result = pair_start(find(handle), request, (const void *const[]){to_b, to_a},
                                (const uint32_t[]){to_b_length, to_a_length});
    unlock();
    return result;
}

int32_t sluice_pair_stop(int32_t handle)
{
    lock();
    struct pair *pair = find(handle);
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
    struct pair *pair = find(handle);
    if (pair) {
        int64_t at = atomic_load_explicit(&pair->moved_at, memory_order_relaxed);
        *(struct sluice_pair_progress *)progress = (struct sluice_pair_progress){
            .to_b_bytes = moved(&pair->flow[0]),
            .to_a_bytes = moved(&pair->flow[1]),
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
    struct pair *pair = find(handle);
    if (pair) {
        pair->reset = with_reset != 0;
        abandon(pair);
    }
    unlock();
    return pair ? 0 : -EBADF;
}
