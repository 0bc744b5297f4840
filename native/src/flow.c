/*
 * One direction of a pair. Small traffic is received and sent through the relay's buffer: two system calls, and no
 * pipe. A flow whose reads turn large is spliced through a pipe of the pool, until they turn small again.
 *
 * The sockets are watched edge-triggered and hardly ever armed again, so each call that could not be completed has to
 * be remembered: `readable` and `writable` are false from then until the next edge.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "pair.h"

/* A read of so many bytes is a large one (docs/proxy.md has the measurement). */
#define LARGE_BYTES (32 * 1024)
/* So many more large reads than small ones make a flow one that is spliced; it stays one down to zero. */
#define LARGE_READS 3

static enum flow_turn fail(struct pair *pair, int side, int64_t error)
{
    pair->error = (int)-error;
    pair->failed = side == 0 ? SLUICE_SIDE_SOURCE : SLUICE_SIDE_TARGET;
    return FLOW_FAILED;
}

static void count(struct pair *pair, struct flow *flow, size_t bytes, int64_t now)
{
    size_t given = bytes < flow->uncounted ? bytes : flow->uncounted;
    flow->uncounted -= given;
    atomic_fetch_add_explicit(&flow->moved, (int64_t)(bytes - given), memory_order_relaxed);
    atomic_store_explicit(&pair->moved_at, now, memory_order_relaxed);
}

int64_t flow_moved(struct flow *flow)
{
    return atomic_load_explicit(&flow->moved, memory_order_relaxed);
}

void flow_settle(struct flow *flow)
{
    flow->stranded = (int64_t)(flow->pending - flow->uncounted);
    pipe_release(&flow->pipe, flow->residue || flow->pending == 0);
    free(flow->residue);
    flow->residue = NULL;
    flow->pending = flow->residue_at = flow->uncounted = 0;
}

static enum flow_turn wait_for_target(struct flow *flow, struct side *to)
{
    to->writable = false;
    flow->waits++;
    return FLOW_WAIT;
}

/* Keeps what was received and not sent. */
static int keep(struct flow *flow, const char *bytes, size_t length)
{
    flow->residue = malloc(length);
    if (!flow->residue) return -ENOMEM;
    memcpy(flow->residue, bytes, length);
    flow->residue_at = 0;
    flow->pending = length;
    return 0;
}

static int64_t send_once(struct flow *flow, const struct side *to, const char *bytes, size_t length)
{
    int64_t n;
    do {
        flow->syscalls++;
        n = SYS(sendto, to->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    } while (n == -EINTR);
    return n;
}

static enum flow_turn send_residue(struct pair *pair, struct flow *flow, int target, int64_t now)
{
    struct side *to = &pair->side[target];
    while (flow->pending > 0) {
        int64_t n = send_once(flow, to, flow->residue + flow->residue_at, flow->pending);
        if (n == -EAGAIN) return wait_for_target(flow, to);
        if (n < 0) return fail(pair, target, n);
        flow->residue_at += (size_t)n;
        flow->pending -= (size_t)n;
        count(pair, flow, (size_t)n, now);
    }
    free(flow->residue);
    flow->residue = NULL;
    return FLOW_AGAIN;
}

/* The target takes no splice: what is in the pipe goes out by send, and so does all that follows. */
static enum flow_turn rescue(struct pair *pair, struct flow *flow, int target, int64_t now)
{
    flow->splices = false;
    char *bytes = malloc(flow->pending);
    if (!bytes) return fail(pair, target, -ENOMEM);
    for (size_t at = 0; at < flow->pending;) {
        flow->syscalls++;
        int64_t n = SYS(read, flow->pipe.read_fd, bytes + at, flow->pending - at);
        if (n == -EINTR) continue;
        if (n <= 0) {
            free(bytes);
            return fail(pair, target, n == 0 ? -EIO : n);
        }
        at += (size_t)n;
    }
    pipe_release(&flow->pipe, true);
    flow->residue = bytes;
    flow->residue_at = 0;
    return send_residue(pair, flow, target, now);
}

static int64_t splice_once(struct flow *flow, int from, int to, size_t length)
{
    int64_t n;
    do {
        flow->syscalls++;
        n = SYS(splice, from, NULL, to, NULL, length, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    } while (n == -EINTR);
    return n;
}

static enum flow_turn drain_pipe(struct pair *pair, struct flow *flow, int target, int64_t now)
{
    struct side *to = &pair->side[target];
    while (flow->pending > 0) {
        int64_t n = splice_once(flow, flow->pipe.read_fd, to->fd, flow->pending);
        if (n == -EAGAIN) return wait_for_target(flow, to);
        if (takes_no_splice(n)) return rescue(pair, flow, target, now);
        if (n <= 0) return fail(pair, target, n == 0 ? -EIO : n);
        flow->pending -= (size_t)n;
        flow->spliced += n;
        count(pair, flow, (size_t)n, now);
    }
    return FLOW_AGAIN;
}

static void judge(struct flow *flow, size_t bytes)
{
    if (bytes >= LARGE_BYTES)
        flow->large = flow->large < LARGE_READS ? flow->large + 1 : 2 * LARGE_READS;
    else if (flow->large > 0)
        flow->large--;
}

static size_t allowed(const struct flow *flow, size_t most)
{
    return flow->remaining < 0 ? most : (size_t)min_i64(flow->remaining, (int64_t)most);
}

static void taken(struct flow *flow, size_t bytes)
{
    if (flow->remaining > 0) flow->remaining -= (int64_t)bytes;
}

/* Receives into the buffer, or only looks whether there is anything. */
static int64_t receive(struct flow *flow, const struct side *from, char *buffer, size_t length, int flags)
{
    int64_t n;
    do {
        flow->syscalls++;
        n = SYS(recvfrom, from->fd, buffer, length, MSG_DONTWAIT | flags, NULL, NULL);
    } while (n == -EINTR);
    return n;
}

/* What no bytes from the source mean. */
static enum flow_turn nothing_read(struct pair *pair, struct flow *flow, int source, int64_t answer)
{
    if (flow->broken) return fail(pair, source, -flow->broken);
    if (answer == 0) {
        flow->source_over = true;
        return FLOW_AGAIN;
    }
    if (answer != -EAGAIN) return fail(pair, source, answer);
    pair->side[source].readable = false;
    return FLOW_WAIT;
}

static enum flow_turn copy_some(struct pair *pair, struct flow *flow, int source, struct relay_room *room, int64_t now)
{
    struct side *from = &pair->side[source], *to = &pair->side[!source];
    size_t wanted = allowed(flow, room->size);
    int64_t n = receive(flow, from, room->buffer, wanted, 0);
    if (n <= 0) return nothing_read(pair, flow, source, n);
    size_t length = (size_t)n;
    /* A queue that gave less than it was asked for is empty, and its next byte is an edge (epoll(7)). */
    if (length < wanted && !from->distrusted) from->readable = false;
    taken(flow, length);
    if (flow->splices) judge(flow, length);
    for (size_t at = 0; at < length;) {
        n = send_once(flow, to, room->buffer + at, length - at);
        if (n < 0) {
            int kept = keep(flow, room->buffer + at, length - at);
            if (kept < 0) return fail(pair, !source, kept);
            return n == -EAGAIN ? wait_for_target(flow, to) : fail(pair, !source, n);
        }
        at += (size_t)n;
        count(pair, flow, (size_t)n, now);
    }
    return FLOW_AGAIN;
}

/*
 * At an urgent mark splice(2) says what it likes (splice.c), and recv(2) goes past it. EAGAIN means an empty queue
 * but for a side that has had an event of urgent data, which is among those that are watched for.
 */
static bool is_in_doubt(const struct side *from, int64_t answer)
{
    return answer == 0 || is_loss(answer) || (answer == -EAGAIN && from->distrusted);
}

static enum flow_turn splice_some(struct pair *pair, struct flow *flow, int source, struct relay_room *room,
                                  int64_t now)
{
    struct side *from = &pair->side[source];
    if (flow->pipe.read_fd < 0 && pipe_acquire(&flow->pipe) < 0) {
        /* No descriptors left for a pipe: the buffer does. */
        flow->large = 0;
        return FLOW_AGAIN;
    }
    int64_t n = splice_once(flow, from->fd, flow->pipe.write_fd, allowed(flow, (size_t)flow->pipe.size));
    if (n <= 0) {
        /* An idle flow keeps no pipe: ten thousand of them would pin ten thousand megabytes' worth. */
        pipe_release(&flow->pipe, true);
        if (is_in_doubt(from, n)) {
            from->distrusted = true;
            if (n < 0 && n != -EAGAIN) flow->broken = (int)-n;
            return copy_some(pair, flow, source, room, now);
        }
        if (!takes_no_splice(n)) return nothing_read(pair, flow, source, n);
        flow->splices = false;
        flow->large = 0;
        return FLOW_AGAIN;
    }
    flow->pending = (size_t)n;
    taken(flow, flow->pending);
    judge(flow, flow->pending);
    return drain_pipe(pair, flow, !source, now);
}

/* It has moved what it may: whether there is more decides between an end and a limit. */
static enum flow_turn look_past_limit(struct pair *pair, struct flow *flow, int source)
{
    char byte;
    int64_t n = flow->cut ? 1 : receive(flow, &pair->side[source], &byte, 1, MSG_PEEK);
    return n > 0 ? FLOW_LIMIT : nothing_read(pair, flow, source, n);
}

static enum flow_turn read_some(struct pair *pair, struct flow *flow, int source, struct relay_room *room, int64_t now)
{
    if (flow->remaining == 0) return look_past_limit(pair, flow, source);
    if (flow->large >= LARGE_READS) return splice_some(pair, flow, source, room, now);
    if (flow->pipe.read_fd >= 0) pipe_release(&flow->pipe, true);
    return copy_some(pair, flow, source, room, now);
}

static enum flow_turn flush(struct pair *pair, struct flow *flow, int target, int64_t now)
{
    if (flow->pending == 0) return FLOW_AGAIN;
    if (!pair->side[target].writable) return FLOW_WAIT;
    return flow->residue ? send_residue(pair, flow, target, now) : drain_pipe(pair, flow, target, now);
}

/* A target that is gone has lost nothing by that: all bytes have been sent to it. */
static enum flow_turn pass_end(struct pair *pair, struct flow *flow, int target)
{
    flow->syscalls++;
    SYS(shutdown, pair->side[target].fd, SHUT_WR);
    pipe_release(&flow->pipe, true);
    flow->ended = true;
    return FLOW_ENDED;
}

enum flow_turn flow_run(struct pair *pair, int source, struct relay_room *room, int64_t now)
{
    struct flow *flow = &pair->flow[source];
    struct side *from = &pair->side[source];
    for (int64_t budget = SLUICE_PAIR_TURN_BYTES; budget > 0 && !flow->ended;) {
        int64_t before = atomic_load_explicit(&flow->moved, memory_order_relaxed);
        enum flow_turn turn = flush(pair, flow, !source, now);
        if (turn == FLOW_AGAIN && flow->source_over) return pass_end(pair, flow, !source);
        if (turn == FLOW_AGAIN && !from->readable && !flow->cut) turn = FLOW_WAIT;
        if (turn == FLOW_AGAIN) turn = read_some(pair, flow, source, room, now);
        if (turn != FLOW_AGAIN) return turn;
        budget -= atomic_load_explicit(&flow->moved, memory_order_relaxed) - before;
    }
    return flow->ended ? FLOW_ENDED : FLOW_AGAIN;
}
