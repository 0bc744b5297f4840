/* The relay lane: pairs of connections, their two directions, their ends, and what is done to them meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

static const struct kind {
    const char *name;
    open_pair *open;
    uint32_t flags;
} kinds[] = {
    {"TCP sockets, spliced", tcp_pair, SLUICE_PAIR_SPLICE},
    {"TCP sockets, copied", tcp_pair, 0},
    {"Unix sockets, spliced", unix_pair, SLUICE_PAIR_SPLICE},
    {"Unix sockets, copied", unix_pair, 0},
};

enum { UP = 3 * MIB + 1, DOWN = 5 * MIB + 3 };

/* Two connections: the client's and the backend's. */
struct joint {
    struct context context;
    struct pair a;
    struct pair b;
    int32_t handle;
};

static struct joint join(open_pair *open)
{
    struct joint joint = {.context = context_open(), .a = open(), .b = open()};
    joint.handle = sluice_pair_open(joint.context.handle, joint.a.engine, joint.b.engine);
    CHECK_GE(joint.handle, 1);
    return joint;
}

static struct sluice_pair_request unlimited(uint32_t flags)
{
    return (struct sluice_pair_request){.flags = flags, .most_to_b = -1, .most_to_a = -1};
}

static void start_pair(int32_t handle, struct sluice_pair_request request)
{
    CHECK_EQ(sluice_pair_start(handle, &request, NULL, 0, NULL, 0), 0);
}

static struct sluice_pair_outcome next_pair(const struct context *context)
{
    struct sluice_pair_outcome outcome;
    for (;;) {
        int32_t count = sluice_pair_reap(context->handle, &outcome, 1);
        if (count == 1) return outcome;
        CHECK_EQ(count, 0);
        test_note("waiting for a pair to end");
        struct pollfd entry = {.fd = context->wake, .events = POLLIN};
        if (poll(&entry, 1, -1) == -1) CHECK_EQ(errno, EINTR);
        char wakes[64];
        if (entry.revents && read(context->wake, wakes, sizeof wakes) == -1) CHECK_EQ(errno, EAGAIN);
    }
}

static struct sluice_pair_progress progress_of(int32_t handle)
{
    struct sluice_pair_progress progress;
    CHECK_EQ(sluice_pair_progress(handle, &progress), 0);
    return progress;
}

/* The engine is the only one that has the connections then, as after `adopt`. */
static void drop_own(const struct joint *joint)
{
    drop(joint->a.engine);
    drop(joint->b.engine);
}

static void close_joint(struct joint *joint, bool reset)
{
    CHECK_EQ(sluice_pair_close(joint->handle, reset), 0);
    CHECK_EQ(sluice_pair_close(joint->handle, reset), -EBADF);
    context_close(&joint->context);
}

static void await_moved(int32_t handle, int64_t to_b)
{
    test_note("waiting for %lld bytes to b", (long long)to_b);
    while (progress_of(handle).to_b_bytes < to_b)
        usleep(500);
}

static void check_ended(struct sluice_pair_outcome outcome, int64_t to_b, int64_t to_a)
{
    if (outcome.end != SLUICE_PAIR_END_ENDED) FAIL("end %u, error %s", outcome.end, strerror(outcome.error));
    CHECK_EQ(outcome.ended, 3);
    CHECK_EQ(outcome.to_b_bytes, to_b);
    CHECK_EQ(outcome.to_a_bytes, to_a);
    CHECK_EQ(outcome.to_b_stranded, 0);
    CHECK_EQ(outcome.to_a_stranded, 0);
}

static void carries_both_ways(const void *argument)
{
    const struct kind *kind = argument;
    struct joint joint = join(kind->open);
    start_pair(joint.handle, unlimited(kind->flags));
    struct flow up, down, at_backend, at_client;
    sink_start(&at_backend, joint.b.peer);
    feeder_start(&up, joint.a.peer, UP);
    feeder_start(&down, joint.b.peer, DOWN);
    sink_start(&at_client, joint.a.peer);
    flow_join(&up);
    flow_join(&down);
    flow_join(&at_backend);
    flow_join(&at_client);
    check_contents(at_backend.contents, UP, 0);
    check_contents(at_client.contents, DOWN, 0);
    struct sluice_pair_outcome outcome = next_pair(&joint.context);
    check_ended(outcome, UP, DOWN);
    CHECK_LE(outcome.to_b_spliced, kind->flags ? UP : 0);
    close_joint(&joint, false);
}

/* A FIN goes on by itself, and the other direction lives. */
static void forwards_a_half_close(const void *argument)
{
    const struct kind *kind = argument;
    struct joint joint = join(kind->open);
    start_pair(joint.handle, unlimited(kind->flags));
    write_pattern(joint.a.peer, 100, 0);
    end_writing(joint.a.peer);
    check_contents(read_to_end(joint.b.peer), 100, 0);
    struct sluice_pair_outcome none;
    CHECK_EQ(sluice_pair_reap(joint.context.handle, &none, 1), 0);
    CHECK_EQ(progress_of(joint.handle).hung_up & 1, 1);
    struct flow answer;
    feeder_start(&answer, joint.b.peer, MIB);
    check_contents(read_to_end(joint.a.peer), MIB, 0);
    flow_join(&answer);
    check_ended(next_pair(&joint.context), 100, MIB);
    close_joint(&joint, false);
}

/* Nobody reads: the sender is held back, and nothing is lost once somebody does. */
static void holds_back(const void *argument)
{
    const struct kind *kind = argument;
    struct joint joint = join(kind->open);
    start_pair(joint.handle, unlimited(kind->flags));
    struct flow up, down;
    feeder_start(&up, joint.a.peer, 4 * MIB);
    feeder_start(&down, joint.b.peer, 4 * MIB);
    int64_t before = -1, after = 0;
    test_note("waiting for both directions to stall");
    while (before != after || after == 0) {
        before = after;
        usleep(30000);
        struct sluice_pair_progress progress = progress_of(joint.handle);
        after = progress.to_b_bytes + progress.to_a_bytes;
    }
    CHECK(after < 8 * MIB);
    struct flow at_backend;
    sink_start(&at_backend, joint.b.peer);
    check_contents(read_to_end(joint.a.peer), 4 * MIB, 0);
    flow_join(&at_backend);
    check_contents(at_backend.contents, 4 * MIB, 0);
    flow_join(&up);
    flow_join(&down);
    struct sluice_pair_outcome outcome = next_pair(&joint.context);
    check_ended(outcome, 4 * MIB, 4 * MIB);
    CHECK_GE(outcome.to_b_waits + outcome.to_a_waits, 1);
    close_joint(&joint, false);
}

static void is_stopped_while_full(const void *argument)
{
    const struct kind *kind = argument;
    struct joint joint = join(kind->open);
    start_pair(joint.handle, unlimited(kind->flags));
    set_blocking(joint.a.peer, false);
    int64_t sent = 0;
    for (int round = 0; round < 3; round++) {
        sent += write_until_full(joint.a.peer);
        usleep(10000);
    }
    CHECK_EQ(sluice_pair_stop(joint.handle), 0);
    struct sluice_pair_outcome outcome = next_pair(&joint.context);
    CHECK_EQ(outcome.end, SLUICE_PAIR_END_STOPPED);
    CHECK_EQ(outcome.ended, 0);
    CHECK_LE(outcome.to_b_bytes + outcome.to_b_stranded, sent);
    drop_own(&joint);
    CHECK_EQ(sluice_pair_close(joint.handle, 0), 0);
    struct contents contents = read_to_end(joint.b.peer);
    CHECK_EQ(contents.size, outcome.to_b_bytes);
    free(contents.bytes);
    context_close(&joint.context);
}

static void stops_at_a_limit(const void *argument)
{
    const struct kind *kind = argument;
    static const struct {
        int64_t sent, most;
        uint32_t end;
    } rows[] = {{200000, 200000, SLUICE_PAIR_END_ENDED},
                {200000, 199999, SLUICE_PAIR_END_LIMIT},
                {10, 0, SLUICE_PAIR_END_LIMIT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct joint joint = join(kind->open);
        struct sluice_pair_request request = unlimited(kind->flags);
        request.most_to_b = rows[i].most;
        start_pair(joint.handle, request);
        if (rows[i].end == SLUICE_PAIR_END_ENDED) end_writing(joint.b.peer);
        struct flow up, at_backend;
        sink_start(&at_backend, joint.b.peer);
        feeder_start(&up, joint.a.peer, (size_t)rows[i].sent);
        flow_join(&up);
        struct sluice_pair_outcome outcome = next_pair(&joint.context);
        CHECK_EQ(outcome.end, rows[i].end);
        CHECK_EQ(outcome.to_b_bytes, rows[i].most);
        drop_own(&joint);
        CHECK_EQ(sluice_pair_close(joint.handle, 0), 0);
        flow_join(&at_backend);
        CHECK_EQ(at_backend.contents.size, rows[i].most);
        free(at_backend.contents.bytes);
        context_close(&joint.context);
    }
}

static void add_case(const char *format, test_body *body, const struct kind *kind)
{
    char name[120];
    snprintf(name, sizeof name, format, kind->name);
    test_add(name, body, kind);
}

__attribute__((constructor)) static void add_cases(void)
{
    for (const struct kind *kind = kinds; kind < kinds + sizeof kinds / sizeof *kinds; kind++) {
        add_case("a pair of %s carries every byte both ways", carries_both_ways, kind);
        add_case("a pair of %s forwards a half-close", forwards_a_half_close, kind);
        add_case("a pair of %s holds back what nobody reads", holds_back, kind);
        add_case("a pair of %s is stopped while full with its exact bytes", is_stopped_while_full, kind);
        add_case("a pair of %s stops at a limit and not before", stops_at_a_limit, kind);
    }
}

TEST("a pair splices what is large, copies what is small, and gives its pipe back")
{
    struct joint joint = join(tcp_pair);
    start_pair(joint.handle, unlimited(SLUICE_PAIR_SPLICE));
    for (int i = 0; i < 100; i++) {
        write_pattern(joint.a.peer, 64, 64 * i);
        await_moved(joint.handle, 64 * (i + 1));
    }
    struct flow up;
    feeder_start(&up, joint.a.peer, 0);
    flow_join(&up);
    check_contents(read_to_end(joint.b.peer), 6400, 0);
    struct flow down;
    feeder_start(&down, joint.b.peer, 8 * MIB);
    check_contents(read_to_end(joint.a.peer), 8 * MIB, 0);
    flow_join(&down);
    struct sluice_pair_outcome outcome = next_pair(&joint.context);
    check_ended(outcome, 6400, 8 * MIB);
    CHECK_EQ(outcome.to_b_spliced, 0);
    CHECK_LE(outcome.to_b_syscalls, 2 * 100 + 4);
    close_joint(&joint, false);
}

TEST("what is given goes first, and a head does not count")
{
    struct joint joint = join(tcp_pair);
    uint8_t given[1000];
    pattern_fill(given, sizeof given, 0);
    struct sluice_pair_request request = unlimited(SLUICE_PAIR_SPLICE);
    request.head = 100;
    CHECK_EQ(sluice_pair_start(joint.handle, &request, given, 1000, given, 300), 0);
    CHECK_EQ(sluice_pair_start(joint.handle, &request, given, 1000, given, 300), -EBUSY);
    write_pattern(joint.a.peer, 5000, 1000);
    end_writing(joint.a.peer);
    end_writing(joint.b.peer);
    check_contents(read_to_end(joint.b.peer), 6000, 0);
    check_contents(read_to_end(joint.a.peer), 300, 0);
    check_ended(next_pair(&joint.context), 5900, 300);
    close_joint(&joint, false);
}

TEST("a reset with bytes on their way fails the pair, names the side, and its pipe is nobody else's")
{
    for (int round = 0; round < 3; round++) {
        struct joint joint = join(tcp_pair);
        start_pair(joint.handle, unlimited(SLUICE_PAIR_SPLICE));
        set_blocking(joint.a.peer, false);
        for (int i = 0; i < 20; i++) {
            uint8_t bytes[64 * KIB] = {0};
            send(joint.a.peer, bytes, sizeof bytes, MSG_NOSIGNAL);
            usleep(1000);
        }
        struct linger hard = {.l_onoff = 1};
        MUST(setsockopt(joint.b.peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard));
        drop(joint.b.peer);
        struct sluice_pair_outcome outcome = next_pair(&joint.context);
        CHECK_EQ(outcome.end, SLUICE_PAIR_END_FAILED);
        CHECK(outcome.error == ECONNRESET || outcome.error == EPIPE);
        CHECK_EQ(outcome.failed, SLUICE_SIDE_TARGET);
        CHECK_EQ(outcome.ended, 0);
        drop_own(&joint);
        close_joint(&joint, true);
        char byte;
        test_note("waiting for the reset to be passed on");
        set_blocking(joint.a.peer, true);
        CHECK_EQ(recv(joint.a.peer, &byte, 1, 0), -1);
        CHECK_EQ(errno, ECONNRESET);
        carries_both_ways(&kinds[0]);
    }
}

TEST("a peer that is reset after its direction has ended is noticed")
{
    struct joint joint = join(tcp_pair);
    start_pair(joint.handle, unlimited(SLUICE_PAIR_SPLICE));
    end_writing(joint.a.peer);
    check_contents(read_to_end(joint.b.peer), 0, 0);
    struct linger hard = {.l_onoff = 1};
    MUST(setsockopt(joint.a.peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard));
    drop(joint.a.peer);
    struct sluice_pair_outcome outcome = next_pair(&joint.context);
    CHECK_EQ(outcome.end, SLUICE_PAIR_END_FAILED);
    CHECK_EQ(outcome.failed, SLUICE_SIDE_SOURCE);
    CHECK_EQ(outcome.ended, 1);
    close_joint(&joint, true);
}

TEST("many pairs are stopped, closed and abandoned at any moment")
{
    enum { PAIRS = 40, ROUNDS = 5 };
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        struct context context = context_open();
        static struct pair ends[PAIRS][2];
        static int32_t handles[PAIRS];
        for (int i = 0; i < PAIRS; i++) {
            for (int side = 0; side < 2; side++) {
                ends[i][side] = i % 2 ? unix_pair() : tcp_pair();
                set_blocking(ends[i][side].peer, false);
            }
            handles[i] = sluice_pair_open(context.handle, ends[i][0].engine, ends[i][1].engine);
            CHECK_GE(handles[i], 1);
            start_pair(handles[i], unlimited(i % 3 ? SLUICE_PAIR_SPLICE : 0));
            for (int side = 0; side < 2; side++)
                drop(ends[i][side].engine);
        }
        for (int step = 0; step < 8 * PAIRS; step++) {
            int i = rand() % PAIRS, side = rand() % 2;
            int peer = ends[i][side].peer;
            struct sluice_pair_progress progress;
            char bytes[8192] = {0};
            switch (rand() % 8) {
            case 0: sluice_pair_stop(handles[i]); break;
            case 1: sluice_pair_close(handles[i], (uint32_t)(rand() % 2)); break;
            case 2: shutdown(peer, SHUT_WR); break;
            case 3: sluice_pair_progress(handles[i], &progress); break;
            case 4: recv(peer, bytes, sizeof bytes, 0); break;
            default: send(peer, bytes, sizeof bytes, MSG_NOSIGNAL); break;
            }
        }
        struct sluice_pair_outcome outcomes[PAIRS];
        CHECK_GE(sluice_pair_reap(context.handle, outcomes, PAIRS), 0);
        /* The rest is abandoned with the context. */
        context_close(&context);
        for (int i = 0; i < PAIRS; i++)
            for (int side = 0; side < 2; side++)
                drop(ends[i][side].peer);
        struct sluice_census census;
        do {
            test_note("waiting for the engine to let go of its pairs");
            CHECK_EQ(sluice_census(&census), 0);
        } while (census.pairs > 0 && usleep(1000) == 0);
    }
}

TEST("bad handles and descriptors are refused")
{
    struct context context = context_open();
    struct pair pair = tcp_pair();
    struct sluice_pair_request request = unlimited(0);
    struct sluice_pair_progress progress;
    CHECK_EQ(sluice_pair_open(context.handle, pair.engine, -1), -EBADF);
    CHECK_EQ(sluice_pair_open(-1, pair.engine, pair.peer), -EBADF);
    for (int32_t handle = -1; handle < 2; handle++) {
        CHECK_EQ(sluice_pair_start(handle, &request, NULL, 0, NULL, 0), -EBADF);
        CHECK_EQ(sluice_pair_stop(handle), -EBADF);
        CHECK_EQ(sluice_pair_progress(handle, &progress), -EBADF);
        CHECK_EQ(sluice_pair_close(handle, 0), -EBADF);
    }
    context_close(&context);
}
