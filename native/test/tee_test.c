/* One source to several pipes: every pipe gets every byte once and in order, whatever the others do. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

enum { OUTLETS = 3, SIZE = 2 * MIB + 7, HEAD = 300 * KIB + 1, PIPE = 128 * KIB };

struct tee_job {
    int32_t handle;
    int readers[OUTLETS];
};

static struct tee_job tee_open_job(const struct context *context, int source)
{
    struct sluice_outlet outlets[OUTLETS];
    struct tee_job tee = {.handle = sluice_job_open_tee(context->handle, source, outlets, OUTLETS, PIPE)};
    CHECK_GE(tee.handle, 1);
    for (int i = 0; i < OUTLETS; i++) {
        tee.readers[i] = own(outlets[i].fd);
        set_blocking(tee.readers[i], true);
        CHECK_GE(outlets[i].capacity, 4096);
    }
    return tee;
}

static void feed_head(int32_t job)
{
    uint8_t *head = malloc(HEAD);
    pattern_fill(head, HEAD, 0);
    CHECK_EQ(sluice_tee_feed(job, head, HEAD), 0);
    CHECK_EQ(sluice_tee_feed(job, head, HEAD), -EBUSY);
    memset(head, 0, HEAD); /* it was copied */
    free(head);
}

static struct pair file_source(void)
{
    return (struct pair){.engine = file_of(SIZE), .peer = -1};
}

struct row {
    uint32_t strategy;
    open_pair *sources;
    const char *name;
};

static const struct row rows[] = {
    {SLUICE_TEE, file_source, "tee from a file"},
    {SLUICE_TEE, source_pipe, "tee from a pipe"},
    {SLUICE_TEE, unix_pair, "tee from a Unix socket"},
    {SLUICE_TEE, tcp_pair, "tee from a TCP socket"},
    {SLUICE_BUFFERED, file_source, "fan-out from a file"},
    {SLUICE_BUFFERED, source_pipe, "fan-out from a pipe"},
    {SLUICE_BUFFERED, unix_pair, "fan-out from a Unix socket"},
    {SLUICE_BUFFERED, tcp_pair, "fan-out from a TCP socket"},
};

/* With and without something that goes first, to the end and to a length. */
static void check_row(const void *argument)
{
    const struct row *row = argument;
    struct context context = context_open();
    for (int way = 0; way < 4; way++) {
        bool headed = way & 1, limited = way & 2;
        int64_t length = limited ? SIZE / 2 : SIZE, head = headed ? HEAD : 0;
        struct pair from = row->sources();
        struct tee_job tee = tee_open_job(&context, from.engine);
        if (headed) feed_head(tee.handle);
        struct flow feeder, sinks[OUTLETS];
        if (from.peer >= 0) feeder_start(&feeder, from.peer, (size_t)length);
        for (int i = 0; i < OUTLETS; i++)
            sink_start(&sinks[i], tee.readers[i]);
        job_start(tee.handle, request(row->strategy, from.peer < 0 ? 0 : -1, limited ? length : -1, -1));
        check_outcome(next_outcome(&context), limited ? SLUICE_END_DONE : SLUICE_END_EOF, length);
        job_close(tee.handle);
        drop(from.engine);
        for (int i = 0; i < OUTLETS; i++) {
            flow_join(&sinks[i]);
            CHECK_EQ(sinks[i].contents.size, head + length);
            check_pattern(sinks[i].contents.bytes, (size_t)head, 0);
            check_pattern(sinks[i].contents.bytes + head, (size_t)length, 0);
            free(sinks[i].contents.bytes);
        }
        if (from.peer >= 0) flow_join(&feeder);
    }
    context_close(&context);
}

__attribute__((constructor)) static void add_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        test_add(rows[i].name, check_row, &rows[i]);
}

static int64_t read_some(int fd, size_t size, int64_t position)
{
    uint8_t *bytes = malloc(size);
    for (size_t at = 0; at < size;) {
        ssize_t n = MUST(read(fd, bytes + at, size - at));
        CHECK_GE(n, 1);
        at += (size_t)n;
    }
    check_pattern(bytes, size, position);
    free(bytes);
    return position + (int64_t)size;
}

/* Reads unevenly, so that pipes are ahead of each other by every amount; one reader leaves in the middle. */
static void check_uneven(uint32_t strategy, open_pair *sources)
{
    struct context context = context_open();
    struct pair from = sources();
    struct tee_job tee = tee_open_job(&context, from.engine);
    struct flow feeder, sink;
    feeder_start(&feeder, from.peer, SIZE);
    job_start(tee.handle, request(strategy, -1, -1, -1));
    int64_t at[OUTLETS] = {0};
    static const size_t steps[] = {1, 4095, 4096, 10007, 20000, 3, 7333};
    for (int i = 0; i < 40; i++) {
        at[0] = read_some(tee.readers[0], steps[i % 7], at[0]);
        if (i < 20) at[1] = read_some(tee.readers[1], steps[(i + 3) % 7], at[1]);
        if (i == 20) drop(tee.readers[1]);
        int64_t behind = at[0] - at[2];
        if (behind > 0) at[2] = read_some(tee.readers[2], (size_t)(behind > 777 ? behind - 777 : behind), at[2]);
        /*
         * What every pipe has can't be further on than the slowest reader and its pipe, page by page or 32 KiB a
         * slot.
         */
        CHECK_LE(job_progress(tee.handle), at[2] + PIPE * 8);
    }
    sink_start(&sink, tee.readers[2]);
    int64_t rest = 0;
    while (at[0] < SIZE) {
        rest = SIZE - at[0] < PIPE ? SIZE - at[0] : PIPE;
        at[0] = read_some(tee.readers[0], (size_t)rest, at[0]);
    }
    check_outcome(next_outcome(&context), SLUICE_END_EOF, SIZE);
    job_close(tee.handle);
    flow_join(&sink);
    check_contents(sink.contents, SIZE - at[2], at[2]);
    flow_join(&feeder);
    context_close(&context);
}

TEST("tee keeps the order for readers of every speed, and goes on without one that leaves")
{
    check_uneven(SLUICE_TEE, source_pipe);
    check_uneven(SLUICE_TEE, unix_pair);
    check_uneven(SLUICE_TEE, tcp_pair);
}

TEST("fan-out keeps the order for readers of every speed, and goes on without one that leaves")
{
    check_uneven(SLUICE_BUFFERED, source_pipe);
    check_uneven(SLUICE_BUFFERED, tcp_pair);
}

static const uint32_t strategies[] = {SLUICE_TEE, SLUICE_BUFFERED};

TEST("a tee that nobody reads any more fails with EPIPE, also while it waits for them")
{
    struct context context = context_open();
    for (int i = 0; i < 4; i++) {
        struct pair from = unix_pair();
        struct tee_job tee = tee_open_job(&context, from.engine);
        if (i & 2) feed_head(tee.handle);
        struct flow feeder;
        feeder_start(&feeder, from.peer, 64 * KIB);
        job_start(tee.handle, request(strategies[i % 2], -1, -1, -1));
        usleep(5000);
        for (int reader = 0; reader < OUTLETS; reader++)
            drop(tee.readers[reader]);
        /* Whoever waits for the source alone learns of it with the next bytes. */
        struct sluice_outcome outcome = next_outcome(&context);
        if (outcome.end == SLUICE_END_ERROR) {
            check_error(outcome, EPIPE);
            CHECK_EQ(outcome.failed, SLUICE_SIDE_TARGET);
        }
        job_close(tee.handle);
        drop(from.engine);
        CHECK_EQ(pthread_join(feeder.thread, NULL), 0);
    }
    context_close(&context);
}

TEST("a cancelled tee has given every pipe a prefix that holds at least what it counted")
{
    struct context context = context_open();
    for (int i = 0; i < 4; i++) {
        struct pair from = i & 2 ? unix_pair() : source_pipe();
        struct tee_job tee = tee_open_job(&context, from.engine);
        struct flow feeder;
        feeder_start(&feeder, from.peer, SIZE);
        job_start(tee.handle, request(strategies[i % 2], -1, -1, -1));
        int64_t at = read_some(tee.readers[0], 10000, 0);
        usleep(5000);
        CHECK_EQ(sluice_job_cancel(tee.handle), 0);
        struct sluice_outcome outcome = next_outcome(&context);
        check_outcome(outcome, SLUICE_END_CANCELLED, outcome.bytes);
        job_close(tee.handle);
        for (int reader = 0; reader < OUTLETS; reader++) {
            int64_t from_here = reader == 0 ? at : 0;
            struct contents contents = read_to_end(tee.readers[reader]);
            CHECK_GE(from_here + (int64_t)contents.size, outcome.bytes);
            check_pattern(contents.bytes, contents.size, from_here);
            free(contents.bytes);
        }
        struct contents left = read_to_end(from.engine);
        CHECK_EQ(outcome.bytes + outcome.stranded + (int64_t)left.size, SIZE);
        check_pattern(left.bytes, left.size, outcome.bytes + outcome.stranded);
        free(left.bytes);
        flow_join(&feeder);
    }
    context_close(&context);
}

TEST("a tee tells which pipe holds it up, and that it waits for its source")
{
    struct context context = context_open();
    CHECK_EQ(sluice_tee_blocked(-1), -EBADF);
    for (int i = 0; i < 2; i++) {
        struct pair from = unix_pair();
        struct tee_job tee = tee_open_job(&context, from.engine);
        CHECK_EQ(sluice_tee_blocked(tee.handle), -EAGAIN);
        struct flow feeder, sinks[OUTLETS];
        feeder_start(&feeder, from.peer, SIZE);
        for (int reader = 0; reader < OUTLETS; reader++)
            if (reader != 1) sink_start(&sinks[reader], tee.readers[reader]);
        job_start(tee.handle, request(strategies[i % 2], -1, SIZE - 1, -1));
        test_note("waiting for the second pipe to hold up the others");
        int64_t given = -1;
        while (sluice_tee_blocked(tee.handle) != 1 || given != job_progress(tee.handle)) {
            given = job_progress(tee.handle);
            usleep(10000);
        }
        sink_start(&sinks[1], tee.readers[1]);
        check_outcome(next_outcome(&context), SLUICE_END_DONE, SIZE - 1);
        CHECK_EQ(sluice_tee_blocked(tee.handle), -EAGAIN);
        job_close(tee.handle);
        for (int reader = 0; reader < OUTLETS; reader++) {
            flow_join(&sinks[reader]);
            check_contents(sinks[reader].contents, SIZE - 1, 0);
        }
        free(read_to_end(from.engine).bytes);
        flow_join(&feeder);
    }
    context_close(&context);
}

TEST("a tee that finds no descriptors for its pipes leaves none behind")
{
    struct context context = context_open();
    int source = file_of(10);
    struct sluice_outlet outlets[OUTLETS];
    static bool open[FD_LIMIT];
    int before = open_fds(open), highest = 0;
    for (int fd = 0; fd < FD_LIMIT; fd++)
        if (open[fd]) highest = fd;
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    for (rlim_t spare = 1; spare < 1 + 2 * OUTLETS; spare++) {
        struct rlimit tight = {.rlim_cur = (rlim_t)highest + 1 + spare, .rlim_max = limit.rlim_max};
        MUST(setrlimit(RLIMIT_NOFILE, &tight));
        int32_t job = sluice_job_open_tee(context.handle, source, outlets, OUTLETS, PIPE);
        MUST(setrlimit(RLIMIT_NOFILE, &limit));
        if (job < 0)
            CHECK_EQ(job, -EMFILE);
        else { /* there were gaps between the numbers */
            job_close(job);
            for (int i = 0; i < OUTLETS; i++)
                close(outlets[i].fd);
        }
        CHECK_EQ(open_fds(open), before);
    }
    CHECK_EQ(sluice_job_open_tee(context.handle, -1, outlets, OUTLETS, PIPE), -EBADF);
    CHECK_EQ(open_fds(open), before);
    context_close(&context);
}

TEST("tee without a /dev/null is refused before its first byte, and fan-out takes over")
{
    if (unshare(CLONE_NEWNS) < 0) SKIP("no mount namespace: %m");
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    MUST(mount("none", "/dev", "tmpfs", 0, NULL));
    struct context context = context_open();
    struct pair from = unix_pair();
    struct tee_job tee = tee_open_job(&context, from.engine);
    feed_head(tee.handle);
    struct flow sinks[OUTLETS];
    for (int i = 0; i < OUTLETS; i++)
        sink_start(&sinks[i], tee.readers[i]);
    write_pattern(from.peer, 5000, HEAD);
    end_writing(from.peer);
    job_start(tee.handle, request(SLUICE_TEE, -1, -1, -1));
    struct sluice_outcome outcome = next_outcome(&context);
    check_error(outcome, ENOSYS);
    CHECK_EQ(outcome.bytes + outcome.stranded, 0);
    job_start(tee.handle, request(SLUICE_BUFFERED, -1, -1, -1));
    check_outcome(next_outcome(&context), SLUICE_END_EOF, 5000);
    job_close(tee.handle);
    for (int i = 0; i < OUTLETS; i++) {
        flow_join(&sinks[i]);
        check_contents(sinks[i].contents, HEAD + 5000, 0);
    }
    context_close(&context);
}

TEST("a tee has mechanisms of its own, and one attempt at a time")
{
    struct context context = context_open();
    struct pair from = unix_pair();
    struct tee_job tee = tee_open_job(&context, from.engine);
    struct sluice_request splice = request(SLUICE_SPLICE, -1, -1, -1), again = request(SLUICE_TEE, -1, -1, -1);
    CHECK_EQ(sluice_job_start(tee.handle, &splice), -EINVAL);
    job_start(tee.handle, again);
    CHECK_EQ(sluice_job_start(tee.handle, &again), -EBUSY);
    CHECK_EQ(sluice_tee_feed(tee.handle, &again, 1), -EBUSY);
    job_close(tee.handle);
    await_census(1, 0);
    context_close(&context);
}
