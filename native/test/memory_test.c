/* Memory as a source: written, spliced by reference, or sent by reference, and who holds it how long. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

enum { SIZE = 3 * MIB + 5, SKIPPED = 4099 };

/* Pattern bytes in pages of their own. */
static uint8_t *memory_of(size_t size)
{
    uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(bytes != MAP_FAILED);
    pattern_fill(bytes, size, 0);
    return bytes;
}

static int32_t open_memory(const struct context *context, void *bytes, int64_t length, bool copy, int target)
{
    struct sluice_memory memory = {.length = length, .copy = copy};
    int32_t job = sluice_job_open_memory(context->handle, bytes, &memory, target);
    CHECK_GE(job, 1);
    return job;
}

static bool has_zero_copy(int socket)
{
    int on = 0;
    socklen_t size = sizeof on;
    return getsockopt(socket, SOL_SOCKET, SO_ZEROCOPY, &on, &size) == 0;
}

static int zero_copy(int socket)
{
    int on = -1;
    socklen_t size = sizeof on;
    MUST(getsockopt(socket, SOL_SOCKET, SO_ZEROCOPY, &on, &size));
    return on;
}

struct row {
    uint32_t strategy;
    open_pair *targets;
    const char *name;
};

static const struct row rows[] = {
    {SLUICE_BUFFERED, unix_pair, "memory is written to a Unix socket"},
    {SLUICE_BUFFERED, tcp_pair, "memory is written to a TCP socket"},
    {SLUICE_BUFFERED, target_pipe, "memory is written to a pipe"},
    {SLUICE_VMSPLICE, target_pipe, "memory is spliced to a pipe"},
    {SLUICE_SEND_ZERO_COPY, tcp_pair, "memory is sent by reference to a TCP socket"},
};

/* A copy is taken at once: the caller's bytes are wiped before the job starts. */
static void check_row(const void *argument)
{
    const struct row *row = argument;
    struct context context = context_open();
    for (int copy = 0; copy < 2; copy++) {
        struct pair to = row->targets();
        uint8_t *bytes = memory_of(SIZE);
        int32_t job = open_memory(&context, bytes, SIZE, copy, to.engine);
        if (copy) memset(bytes, 0, SIZE);
        struct flow sink;
        sink_start(&sink, to.peer);
        job_start(job, request(row->strategy, SKIPPED, SIZE - SKIPPED, -1));
        struct sluice_outcome outcome = next_outcome(&context);
        check_outcome(outcome, SLUICE_END_DONE, SIZE - SKIPPED);
        CHECK_EQ(outcome.held, 0);
        while (sluice_job_outstanding(job) > 0)
            usleep(500);
        job_close(job);
        munmap(bytes, SIZE);
        end_writing(to.engine);
        flow_join(&sink);
        check_contents(sink.contents, SIZE - SKIPPED, SKIPPED);
    }
    context_close(&context);
}

__attribute__((constructor)) static void add_rows(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        test_add(rows[i].name, check_row, &rows[i]);
}

TEST("the kernel's notices say that loopback copies, and the option is switched off again")
{
    struct context context = context_open();
    struct pair to = tcp_pair();
    if (!has_zero_copy(to.engine)) SKIP("this kernel has no SO_ZEROCOPY");
    uint8_t *bytes = memory_of(SIZE);
    struct flow sink;
    sink_start(&sink, to.peer);
    int32_t job = open_memory(&context, bytes, SIZE, false, to.engine);
    job_start(job, request(SLUICE_SEND_ZERO_COPY, 0, SIZE, -1));
    struct sluice_outcome outcome = next_outcome(&context);
    check_outcome(outcome, SLUICE_END_DONE, SIZE);
    CHECK_EQ(outcome.copied, SLUICE_COPY_SOME);
    CHECK_EQ(zero_copy(to.engine), 0);

    test_note("a second attempt, which gives way as soon as it learns so");
    struct sluice_request giving = request(SLUICE_SEND_ZERO_COPY, 0, SIZE, -1);
    giving.flags = SLUICE_REQUEST_GIVE_WAY;
    job_start(job, giving);
    outcome = next_outcome(&context);
    if (outcome.end == SLUICE_END_ERROR) {
        check_error(outcome, EOPNOTSUPP);
        CHECK_GE(outcome.bytes, 1);
        job_start(job, request(SLUICE_BUFFERED, outcome.bytes, SIZE - outcome.bytes, -1));
        check_outcome(next_outcome(&context), SLUICE_END_DONE, SIZE - outcome.bytes);
    }
    CHECK_EQ(zero_copy(to.engine), 0);
    job_close(job);
    end_writing(to.engine);
    flow_join(&sink);
    CHECK_EQ(sink.contents.size, 2 * SIZE);
    check_pattern(sink.contents.bytes, SIZE, 0);
    check_pattern(sink.contents.bytes + SIZE, SIZE, 0);
    free(sink.contents.bytes);
    munmap(bytes, SIZE);
    context_close(&context);
}

/* Sends by reference until the peer's buffer and the socket's are full, and cancels that. */
static struct sluice_outcome cancel_when_full(struct context *context, int32_t job, int target)
{
    job_start(job, request(SLUICE_SEND_ZERO_COPY, 0, SIZE, -1));
    await_stalled(job, target);
    CHECK_EQ(sluice_job_cancel(job), 0);
    struct sluice_outcome outcome = next_outcome(context);
    check_outcome(outcome, SLUICE_END_CANCELLED, outcome.bytes);
    CHECK_GE(outcome.bytes, 1);
    CHECK_GE(outcome.held, 1);
    return outcome;
}

TEST("a cancelled send says that memory is held, until the peer has it")
{
    struct context context = context_open();
    struct pair to = tcp_pair();
    if (!has_zero_copy(to.engine)) SKIP("this kernel has no SO_ZEROCOPY");
    uint8_t *bytes = memory_of(SIZE);
    int32_t job = open_memory(&context, bytes, SIZE, false, to.engine);
    struct sluice_outcome cancelled = cancel_when_full(&context, job, to.engine);
    struct sluice_request settle = request(SLUICE_SEND_ZERO_COPY, -1, -1, -1);
    settle.flags = SLUICE_REQUEST_SETTLE;
    job_start(job, settle);
    usleep(20000);
    struct sluice_outcome none;
    CHECK_EQ(sluice_reap(context.handle, &none, 1), 0);
    struct flow sink;
    sink_start(&sink, to.peer);
    struct sluice_outcome outcome = next_outcome(&context);
    check_outcome(outcome, SLUICE_END_DONE, 0);
    CHECK_EQ(outcome.held, 0);
    CHECK_EQ(zero_copy(to.engine), 0);
    memset(bytes, 0, SIZE); /* nobody refers to it any more */
    munmap(bytes, SIZE);
    job_close(job);
    end_writing(to.engine);
    flow_join(&sink);
    check_contents(sink.contents, cancelled.bytes, 0);
    context_close(&context);
}

TEST("closing a job whose memory is held breaks the connection: the peer never gets other bytes")
{
    for (int whole = 0; whole < 2; whole++) {
        struct context context = context_open();
        struct pair to = tcp_pair();
        if (!has_zero_copy(to.engine)) SKIP("this kernel has no SO_ZEROCOPY");
        uint8_t *bytes = memory_of(SIZE);
        int32_t job = open_memory(&context, bytes, SIZE, false, to.engine);
        int64_t sent = cancel_when_full(&context, job, to.engine).bytes;
        /* By its handle, or by the end of the isolate that it belongs to. */
        if (whole)
            context_close(&context);
        else
            job_close(job);
        await_census(whole ? 0 : 1, 0);
        memset(bytes, 0, SIZE);
        munmap(bytes, SIZE);
        uint8_t *received = malloc(SIZE);
        int64_t got = 0;
        ssize_t n;
        test_note("reading to the reset");
        while ((n = read(to.peer, received + got, (size_t)(SIZE - got))) > 0)
            got += n;
        CHECK_EQ(n, -1);
        CHECK_EQ(errno, ECONNRESET);
        CHECK_LE(got, sent);
        check_pattern(received, (size_t)got, 0);
        free(received);
        if (!whole) context_close(&context);
    }
}

TEST("sending by reference is refused where the socket can't, and where somebody else does")
{
    struct context context = context_open();
    uint8_t *bytes = memory_of(SIZE);
    struct pair local = unix_pair(), to = tcp_pair();
    if (!has_zero_copy(to.engine)) SKIP("this kernel has no SO_ZEROCOPY");
    int32_t job = open_memory(&context, bytes, SIZE, false, local.engine);
    job_start(job, request(SLUICE_SEND_ZERO_COPY, 0, SIZE, -1));
    struct sluice_outcome outcome = next_outcome(&context);
    CHECK(outcome.error == EOPNOTSUPP || outcome.error == ENOPROTOOPT);
    check_error(outcome, outcome.error);
    CHECK_EQ(outcome.bytes, 0);
    job_close(job);
    int on = 1;
    MUST(setsockopt(to.engine, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on));
    job = open_memory(&context, bytes, SIZE, false, to.engine);
    job_start(job, request(SLUICE_SEND_ZERO_COPY, 0, SIZE, -1));
    check_error(next_outcome(&context), EBUSY);
    CHECK_EQ(zero_copy(to.engine), 1);
    job_close(job);
    munmap(bytes, SIZE);
    context_close(&context);
}

TEST("a pipe that was spliced to shows what the memory holds when it is read")
{
    struct context context = context_open();
    struct pair to = target_pipe();
    uint8_t *bytes = memory_of(64 * KIB);
    int32_t job = open_memory(&context, bytes, 32 * KIB, false, to.engine);
    job_start(job, request(SLUICE_VMSPLICE, 0, 32 * KIB, -1));
    check_outcome(next_outcome(&context), SLUICE_END_DONE, 32 * KIB);
    CHECK_EQ(sluice_job_outstanding(job), 32 * KIB);
    pattern_fill(bytes, 32 * KIB, 77);
    drop(to.engine);
    job_close(job);
    check_contents(read_to_end(to.peer), 32 * KIB, 77);
    munmap(bytes, 64 * KIB);
    context_close(&context);
}

TEST("memory that is gone is an error of the source")
{
    struct context context = context_open();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair to = rows[i].targets();
        uint8_t *bytes = memory_of(16 * KIB);
        /* Not munmap(): a thread's stack could come to lie there. */
        MUST(mprotect(bytes + 8 * KIB, 8 * KIB, PROT_NONE));
        int32_t job = open_memory(&context, bytes, 16 * KIB, false, to.engine);
        struct flow sink;
        sink_start(&sink, to.peer);
        job_start(job, request(rows[i].strategy, 0, 16 * KIB, -1));
        struct sluice_outcome outcome = next_outcome(&context);
        check_error(outcome, EFAULT);
        CHECK_EQ(outcome.failed, SLUICE_SIDE_SOURCE);
        CHECK_LE(outcome.bytes, 8 * KIB);
        if (outcome.held > 0) {
            struct sluice_request settle = request(SLUICE_SEND_ZERO_COPY, -1, -1, -1);
            settle.flags = SLUICE_REQUEST_SETTLE;
            job_start(job, settle);
            CHECK_EQ(next_outcome(&context).held, 0);
        }
        job_close(job);
        end_writing(to.engine);
        flow_join(&sink);
        check_contents(sink.contents, outcome.bytes, 0);
        munmap(bytes, 16 * KIB);
    }
    context_close(&context);
}

TEST("a job from memory knows what it can't do")
{
    struct context context = context_open();
    struct pair to = unix_pair();
    uint8_t byte = 1;
    int32_t job = open_memory(&context, &byte, 1, false, to.engine);
    struct sluice_request splice = request(SLUICE_SPLICE, 0, 1, -1), none = request(SLUICE_BUFFERED, 0, 0, -1);
    CHECK_EQ(sluice_job_start(job, &splice), -EINVAL);
    CHECK_EQ(sluice_job_replace_source(job, to.peer), -EINVAL);
    CHECK_EQ(sluice_tee_feed(job, &byte, 1), -EINVAL);
    static const int64_t outside[][2] = {{0, 2}, {1, 1}, {2, 0}, {-1, 1}, {0, -1}, {INT64_MAX, 1}, {1, INT64_MAX}};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        struct sluice_request beyond = request(SLUICE_BUFFERED, outside[i][0], outside[i][1], -1);
        CHECK_EQ(sluice_job_start(job, &beyond), -EINVAL);
    }
    job_start(job, none);
    check_outcome(next_outcome(&context), SLUICE_END_DONE, 0);
    job_close(job);
    struct sluice_memory memory = {.length = 1};
    CHECK_EQ(sluice_job_open_memory(context.handle, &byte, &memory, -1), -EBADF);
    CHECK_EQ(sluice_job_open_memory(-1, &byte, &memory, to.engine), -EBADF);
    context_close(&context);
}

/* Cancels from one thread what another has started, by every mechanism, and closes at once. */
static void *cancel_main(void *argument)
{
    sluice_job_cancel(*(int32_t *)argument);
    return NULL;
}

/* Reads to the end, or to the reset of a connection whose memory was held. */
static void *read_main(void *argument)
{
    int fd = *(int *)argument;
    uint8_t *bytes = malloc(MIB);
    size_t got = 0;
    ssize_t n;
    while ((n = read(fd, bytes + got, MIB - got)) > 0)
        got += (size_t)n;
    CHECK(n == 0 || errno == ECONNRESET);
    check_pattern(bytes, got, 0);
    free(bytes);
    return NULL;
}

TEST("memory jobs may be cancelled and closed from other threads at any time")
{
    struct context context = context_open();
    uint8_t *bytes = memory_of(MIB);
    for (int round = 0; round < 60; round++) {
        const struct row *row = &rows[round % 5];
        struct pair to = row->targets();
        pthread_t reader, canceller;
        CHECK_EQ(pthread_create(&reader, NULL, read_main, &to.peer), 0);
        int32_t job = open_memory(&context, bytes, MIB, round % 2, to.engine);
        job_start(job, request(row->strategy, 0, MIB, -1));
        usleep((useconds_t)(round * 7 % 300));
        CHECK_EQ(pthread_create(&canceller, NULL, cancel_main, &job), 0);
        if (round % 3) CHECK_GE(next_outcome(&context).bytes, 0);
        CHECK_EQ(pthread_join(canceller, NULL), 0);
        job_close(job);
        /* One that had ended before it was closed is let go of, with its duplicates, when its outcome is taken. */
        struct sluice_outcome late;
        CHECK_GE(sluice_reap(context.handle, &late, 1), 0);
        drop(to.engine);
        CHECK_EQ(pthread_join(reader, NULL), 0);
    }
    await_census(1, 0);
    munmap(bytes, MIB);
    context_close(&context);
}

static struct sluice_census census_now(void)
{
    struct sluice_census census;
    CHECK_EQ(sluice_census(&census), 0);
    return census;
}

TEST("sluice_census() tells what is under way, what that holds, and what is over")
{
    struct context context = context_open();
    struct pair to = target_pipe();
    uint8_t *bytes = memory_of(SIZE);
    struct sluice_census idle = census_now();
    int32_t job = open_memory(&context, bytes, SIZE, false, to.engine);
    struct sluice_census open = census_now();
    CHECK_EQ(open.descriptors, idle.descriptors + 1);
    CHECK_EQ(open.memory_bytes, SIZE);
    CHECK_EQ(open.running, 0);
    job_start(job, request(SLUICE_BUFFERED, 0, SIZE, -1));
    /* Nobody reads the pipe. */
    CHECK_EQ(census_now().running, 1);
    CHECK_EQ(sluice_job_cancel(job), 0);
    CHECK_EQ(next_outcome(&context).end, SLUICE_END_CANCELLED);
    CHECK_EQ(census_now().running, 0);
    CHECK_EQ(census_now().attempts, 1);
    CHECK_EQ(census_now().memory_bytes, SIZE);
    job_close(job);
    await_census(1, 0);
    CHECK_EQ(census_now().memory_bytes, 0);
    CHECK_EQ(census_now().attempts, 1);
    context_close(&context);
}
