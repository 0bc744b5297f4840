/* Full targets: waiting, cancellation, progress, and many at once. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support.h"

/* A large file into a stream whose peer does not read yet. */
static const struct flow_case {
    const char *name;
    uint32_t strategy;
    open_pair *target;
    bool blocking; /* the target's O_NONBLOCK is off */
} cases[] = {
    {"sendfile to a unix socket", SLUICE_SENDFILE, unix_pair, false},
    {"sendfile to a TCP socket", SLUICE_SENDFILE, tcp_pair, false},
    {"sendfile to a pipe", SLUICE_SENDFILE, target_pipe, false},
    {"splice to a unix socket", SLUICE_SPLICE, unix_pair, false},
    {"splice to a TCP socket", SLUICE_SPLICE, tcp_pair, false},
    {"splice to a pipe", SLUICE_SPLICE, target_pipe, false},
    {"splice to a blocking pipe", SLUICE_SPLICE, target_pipe, true},
    {"mapped to a unix socket", SLUICE_MAPPED, unix_pair, false},
    {"mapped to a TCP socket", SLUICE_MAPPED, tcp_pair, false},
    {"mapped to a blocking TCP socket", SLUICE_MAPPED, tcp_pair, true},
    {"mapped to a blocking pipe", SLUICE_MAPPED, target_pipe, true},
    {"buffered to a unix socket", SLUICE_BUFFERED, unix_pair, false},
    {"buffered to a TCP socket", SLUICE_BUFFERED, tcp_pair, false},
    {"buffered to a pipe", SLUICE_BUFFERED, target_pipe, false},
    {"buffered to a blocking TCP socket", SLUICE_BUFFERED, tcp_pair, true},
    {"buffered to a blocking pipe", SLUICE_BUFFERED, target_pipe, true},
};

enum { SIZE = 8 * MIB };

static struct pair open_target(const struct flow_case *flow)
{
    struct pair pair = flow->target();
    set_blocking(pair.engine, flow->blocking);
    return pair;
}

static void waits_then_drains(const void *argument)
{
    const struct flow_case *flow = argument;
    struct context context = context_open();
    struct pair pair = open_target(flow);
    int flags = fcntl(pair.engine, F_GETFL);
    int32_t job = job_open(&context, file_of(SIZE), pair.engine);
    job_start(job, request(flow->strategy, 0, SIZE, -1));
    int64_t stalled = await_stalled(job, pair.engine);
    CHECK(stalled < SIZE);
    CHECK_EQ(fcntl(pair.engine, F_GETFL), flags);

    struct flow sink;
    sink_start(&sink, pair.peer);
    struct sluice_outcome outcome = next_outcome(&context);
    check_outcome(outcome, SLUICE_END_DONE, SIZE);
    CHECK_GE(outcome.waits, 1);
    CHECK_EQ(job_progress(job), SIZE);
    CHECK_EQ(fcntl(pair.engine, F_GETFL), flags);
    job_close(job);
    end_writing(pair.engine);
    flow_join(&sink);
    check_contents(sink.contents, SIZE, 0);
    context_close(&context);
}

static void is_cancelled_while_full(const void *argument)
{
    const struct flow_case *flow = argument;
    struct context context = context_open();
    struct pair pair = open_target(flow);
    int32_t job = job_open(&context, file_of(SIZE), pair.engine);
    job_start(job, request(flow->strategy, 0, SIZE, -1));
    await_stalled(job, pair.engine);
    CHECK_EQ(sluice_job_cancel(job), 0);
    struct sluice_outcome outcome = next_outcome(&context);
    CHECK_EQ(outcome.end, SLUICE_END_CANCELLED);
    CHECK_EQ(outcome.stranded, 0); /* a file's bytes can be read again */
    job_close(job);
    end_writing(pair.engine);
    check_contents(read_to_end(pair.peer), outcome.bytes, 0);
    context_close(&context);
}

static void add_case(const char *format, test_body *body, const struct flow_case *flow)
{
    char name[120];
    snprintf(name, sizeof name, format, flow->name);
    test_add(name, body, flow);
}

__attribute__((constructor)) static void add_cases(void)
{
    for (const struct flow_case *flow = cases; flow < cases + sizeof cases / sizeof *cases; flow++) {
        add_case("%s waits while full and finishes once drained", waits_then_drains, flow);
        add_case("%s is cancelled while full with its exact bytes", is_cancelled_while_full, flow);
    }
}

TEST("sluice_job_cancel() of an idle job is ignored")
{
    struct context context = context_open();
    int32_t job = job_open(&context, file_of(1000), file_of(0));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(sluice_job_cancel(job), 0);
        job_start(job, request(SLUICE_BUFFERED, 0, 1000, 0));
        check_outcome(next_outcome(&context), SLUICE_END_DONE, 1000);
    }
    context_close(&context);
}

TEST("sluice_job_progress() grows while an attempt runs")
{
    struct context context = context_open();
    struct pair pair = unix_pair();
    int32_t job = job_open(&context, file_of(4 * MIB), pair.engine);
    CHECK_EQ(job_progress(job), 0);
    job_start(job, request(SLUICE_SENDFILE, 0, 4 * MIB, -1));
    static uint8_t bytes[64 * KIB];
    int64_t received = 0, before = 0;
    while (received < 4 * MIB) {
        received += MUST(read(pair.peer, bytes, sizeof bytes));
        test_note("waiting for progress to catch up with %lld received bytes", (long long)received);
        while (job_progress(job) < received)
            usleep(100);
        CHECK_GE(job_progress(job), before);
        before = received;
    }
    check_outcome(next_outcome(&context), SLUICE_END_DONE, 4 * MIB);
    context_close(&context);
}

TEST("1,000 stalled attempts hold neither threads nor a brisk one")
{
    enum { STALLED = 1000, THREADS = 32 };
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    if (limit.rlim_cur < 8 * STALLED)
        SKIP("needs %d descriptors, may have %llu", 8 * STALLED, (unsigned long long)limit.rlim_cur);
    static const uint32_t strategies[] = {SLUICE_SENDFILE, SLUICE_SPLICE, SLUICE_MAPPED, SLUICE_BUFFERED};
    struct context context = context_open();
    int source = file_of(MIB);
    static int32_t jobs[STALLED];
    static struct pair pairs[STALLED];
    for (int i = 0; i < STALLED; i++) {
        pairs[i] = unix_pair();
        jobs[i] = job_open(&context, source, pairs[i].engine);
        job_start(jobs[i], request(strategies[i % 4], 0, MIB, -1));
    }
    for (int i = 0; i < STALLED; i++)
        await_full(jobs[i], pairs[i].engine);

    struct pair brisk = unix_pair();
    struct flow sink;
    sink_start(&sink, brisk.peer);
    int32_t job = job_open(&context, file_of(4 * MIB), brisk.engine);
    job_start(job, request(SLUICE_SENDFILE, 0, 4 * MIB, -1));
    struct sluice_outcome outcome = next_outcome(&context);
    CHECK_EQ(outcome.job, job);
    check_outcome(outcome, SLUICE_END_DONE, 4 * MIB);

    struct sluice_census census;
    CHECK_EQ(sluice_census(&census), 0);
    CHECK_EQ(census.contexts, 1);
    CHECK_EQ(census.jobs, STALLED + 1);
    CHECK_GE(census.workers, 1);
    CHECK_LE(census.workers + census.blocking_workers, THREADS);

    job_close(job);
    end_writing(brisk.engine);
    flow_join(&sink);
    check_contents(sink.contents, 4 * MIB, 0);
    context_close(&context);
    await_census(0, 0);
}
