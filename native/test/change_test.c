/* Sources that change under way, and sources that are not what they seem. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

static const struct change_case {
    const char *name;
    uint32_t strategy;
} cases[] = {
    {"sendfile", SLUICE_SENDFILE},
    {"splice", SLUICE_SPLICE},
    {"mapped", SLUICE_MAPPED},
    {"buffered", SLUICE_BUFFERED},
};

enum { SIZE = 8 * MIB };

/* Truncated far beyond what is under way: everything up to the new end arrives, nothing after it. */
static void ends_at_truncation(const void *argument)
{
    const struct change_case *change = argument;
    struct context context = context_open();
    struct pair pair = unix_pair();
    int source = file_of(SIZE);
    int32_t job = job_open(&context, source, pair.engine);
    job_start(job, request(change->strategy, 0, SIZE, -1));
    int64_t end = await_stalled(job, pair.engine) + 2 * MIB + 1001;
    MUST(ftruncate(source, end));
    struct flow sink;
    sink_start(&sink, pair.peer);
    check_outcome(next_outcome(&context), SLUICE_END_EOF, end);
    job_close(job);
    end_writing(pair.engine);
    flow_join(&sink);
    check_contents(sink.contents, end, 0);
    context_close(&context);
}

/* Truncated inside what is mapped or queued: what is counted are bytes of the file. */
static void counts_no_zeros(const void *argument)
{
    const struct change_case *change = argument;
    struct context context = context_open();
    struct pair pair = unix_pair();
    int source = file_of(SIZE);
    int32_t job = job_open(&context, source, pair.engine);
    job_start(job, request(change->strategy, 0, SIZE, -1));
    int64_t moved = await_stalled(job, pair.engine);
    int64_t end = moved + 1001;
    MUST(ftruncate(source, end));
    struct flow sink;
    sink_start(&sink, pair.peer);
    struct sluice_outcome outcome = next_outcome(&context);
    CHECK(outcome.end == SLUICE_END_EOF || outcome.end == SLUICE_END_ERROR);
    CHECK_GE(outcome.bytes, moved);
    CHECK_LE(outcome.bytes, end);
    job_close(job);
    end_writing(pair.engine);
    flow_join(&sink);
    check_contents(sink.contents, outcome.bytes, 0);
    context_close(&context);
}

__attribute__((constructor)) static void add_cases(void)
{
    for (const struct change_case *change = cases; change < cases + sizeof cases / sizeof *cases; change++) {
        char name[100];
        snprintf(name, sizeof name, "%s of a file that shrinks ends at its new end", change->name);
        test_add(name, ends_at_truncation, change);
        /* References to pages already in a splice pipe follow the file: only copies can be held to this. */
        if (change->strategy == SLUICE_SPLICE) continue;
        snprintf(name, sizeof name, "%s of a file that shrinks right ahead counts no zeros", change->name);
        test_add(name, counts_no_zeros, change);
    }
}

/* The pipe holds references: pages cut off stay as they were, the one with the new end is zeroed behind it. */
TEST("splice of a file that shrinks within its pipe sends what it holds and ends")
{
    struct context context = context_open();
    struct pair pair = unix_pair();
    int source = file_of(SIZE);
    int32_t job = job_open(&context, source, pair.engine);
    job_start(job, request(SLUICE_SPLICE, 0, SIZE, -1));
    int64_t end = await_stalled(job, pair.engine) + 1001;
    MUST(ftruncate(source, end));
    struct flow sink;
    sink_start(&sink, pair.peer);
    struct sluice_outcome outcome = next_outcome(&context);
    CHECK(outcome.end == SLUICE_END_EOF || outcome.end == SLUICE_END_ERROR);
    job_close(job);
    end_writing(pair.engine);
    flow_join(&sink);
    CHECK_EQ(sink.contents.size, outcome.bytes);
    CHECK(outcome.bytes < SIZE);
    CHECK_GE(outcome.bytes, end);
    check_pattern(sink.contents.bytes, (size_t)end, 0);
    free(sink.contents.bytes);
    context_close(&context);
}

TEST("a file that grows is sent to the end that is found")
{
    struct context context = context_open();
    struct pair pair = unix_pair();
    int source = file_of(SIZE);
    int32_t job = job_open(&context, source, pair.engine);
    job_start(job, request(SLUICE_SENDFILE, 0, SIZE, -1));
    await_full(job, pair.engine);
    MUST(lseek(source, 0, SEEK_END));
    write_pattern(source, 1000, SIZE);
    struct flow sink;
    sink_start(&sink, pair.peer);
    check_outcome(next_outcome(&context), SLUICE_END_DONE, SIZE);
    job_close(job);
    end_writing(pair.engine);
    flow_join(&sink);
    check_contents(sink.contents, SIZE, 0);
    context_close(&context);
}

TEST("buffered reads procfs to its end")
{
    struct context context = context_open();
    int source = own(open("/proc/self/limits", O_RDONLY | O_CLOEXEC)), target = file_of(0);
    struct contents expected = read_to_end(source);
    struct sluice_outcome outcome = run(&context, source, target, request(SLUICE_BUFFERED, 0, -1, 0));
    CHECK_GE(expected.size, 1);
    check_outcome(outcome, SLUICE_END_EOF, (int64_t)expected.size);
    struct contents copy = read_file(target);
    CHECK_EQ(memcmp(copy.bytes, expected.bytes, expected.size), 0);
    free(copy.bytes);
    free(expected.bytes);
    context_close(&context);
}

TEST("mechanisms that procfs lacks move nothing")
{
    static const uint32_t strategies[] = {SLUICE_SENDFILE, SLUICE_SPLICE, SLUICE_COPY_FILE_RANGE, SLUICE_MAPPED};
    struct context context = context_open();
    for (int i = 0; i < 4; i++) {
        int source = own(open("/proc/self/status", O_RDONLY | O_CLOEXEC));
        struct sluice_outcome outcome = run(&context, source, file_of(0), request(strategies[i], 0, 1000, -1));
        CHECK(outcome.end == SLUICE_END_ERROR || outcome.end == SLUICE_END_EOF);
        CHECK_EQ(outcome.bytes, 0);
    }
    context_close(&context);
}

TEST("character devices serve as source and target")
{
    struct context context = context_open();
    int zero = own(open("/dev/zero", O_RDONLY | O_CLOEXEC)), null = own(open("/dev/null", O_RDWR | O_CLOEXEC));
    check_outcome(run(&context, zero, null, request(SLUICE_BUFFERED, -1, MIB + 1, -1)), SLUICE_END_DONE, MIB + 1);
    check_outcome(run(&context, zero, null, request(SLUICE_BUFFERED, 0, MIB + 1, -1)), SLUICE_END_DONE, MIB + 1);
    check_outcome(run(&context, null, null, request(SLUICE_BUFFERED, -1, -1, -1)), SLUICE_END_EOF, 0);
    check_outcome(run(&context, file_of(5001), null, request(SLUICE_SPLICE, 0, -1, -1)), SLUICE_END_EOF, 5001);
    context_close(&context);
}

TEST("offsets and lengths beyond 4 GiB do not wrap")
{
    static const uint32_t strategies[] = {SLUICE_SENDFILE, SLUICE_SPLICE, SLUICE_MAPPED, SLUICE_BUFFERED};
    enum { TAIL = 5000 };
    const int64_t start = 5ll * 1024 * MIB + 3;
    struct context context = context_open();
    int source = file_of(0);
    MUST(lseek(source, start, SEEK_SET));
    write_pattern(source, TAIL, start);
    for (int i = 0; i < 4; i++) {
        struct pair pair = unix_pair();
        struct sluice_outcome outcome = run(&context, source, pair.engine, request(strategies[i], start, -1, -1));
        check_outcome(outcome, SLUICE_END_EOF, TAIL);
        end_writing(pair.engine);
        check_contents(read_to_end(pair.peer), TAIL, start);
    }
    int target = file_of(0);
    check_outcome(run(&context, source, target, request(SLUICE_COPY_FILE_RANGE, start, TAIL, start)), SLUICE_END_DONE,
                  TAIL);
    uint8_t copy[TAIL];
    CHECK_EQ(MUST(pread(target, copy, TAIL, start)), TAIL);
    check_pattern(copy, TAIL, start);
    context_close(&context);
}
