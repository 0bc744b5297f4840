/* Each mechanism over each pair that it serves: every byte once, in order, and no other. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

enum kind { FILE_END, UNIX_END, TCP_END, PIPE_END, KIND_COUNT };

static const char *const kind_names[KIND_COUNT] = {"file", "unix socket", "TCP socket", "pipe"};
static open_pair *const source_pairs[KIND_COUNT] = {NULL, unix_pair, tcp_pair, source_pipe};
static open_pair *const target_pairs[KIND_COUNT] = {NULL, unix_pair, tcp_pair, target_pipe};

#define BIT(kind) (1u << (kind))
#define ANY (BIT(FILE_END) | BIT(UNIX_END) | BIT(TCP_END) | BIT(PIPE_END))

static const struct row {
    const char *name;
    uint32_t strategy;
    uint32_t sources;
    uint32_t targets;
    bool places_bytes; /* takes a target offset */
} rows[] = {
    {"sendfile", SLUICE_SENDFILE, BIT(FILE_END), ANY, false},
    {"splice", SLUICE_SPLICE, ANY, ANY, true},
    {"copyFileRange", SLUICE_COPY_FILE_RANGE, BIT(FILE_END), BIT(FILE_END), true},
    {"mapped", SLUICE_MAPPED, BIT(FILE_END), ANY, true},
    {"buffered", SLUICE_BUFFERED, ANY, ANY, true},
};

static const struct range {
    int64_t size;
    int64_t offset;
    int64_t length; /* -1: to the end */
} ranges[] = {
    {0, 0, -1},           {0, 0, 10},
    {1, 0, -1},           {1, 0, 1},
    {4095, 1, -1},        {4097, 4096, -1},
    {5000, 0, 0},         {5000, 5000, -1},
    {5000, 5001, 10},     {5000, 0, 5007},
    {131088, 1000, 2000}, {300001, 4097, 200003},
    {65536, 0, 65536},    {2097153, 1, 2097152},
    {5242893, 12345, -1},
};

struct job_case {
    const struct row *row;
    enum kind source;
    enum kind target;
};

static void check_delivered(struct contents contents, size_t from, int64_t offset, int64_t bytes)
{
    CHECK_EQ(contents.size, from + (size_t)bytes);
    for (size_t i = 0; i < from; i++)
        CHECK_EQ(contents.bytes[i], 0);
    check_pattern(contents.bytes + from, (size_t)bytes, offset);
    free(contents.bytes);
}

/* What a stream still holds after `consumed` bytes must be readable, all of it. */
static void check_left(int source, int64_t consumed, int64_t size)
{
    check_contents(read_to_end(source), size - consumed, consumed);
}

static void check_range(const struct context *context, const struct job_case *pair, struct range range)
{
    bool positioned = pair->source == FILE_END;
    int64_t offset = positioned ? range.offset : 0;
    int64_t left = range.size > offset ? range.size - offset : 0;
    bool reaches_end = range.length < 0 || range.length > left;
    int64_t expected = reaches_end ? left : range.length;
    /* An odd place, where the mechanism takes one: what lies before must stay a hole. */
    int64_t target_offset = pair->target == FILE_END && pair->row->places_bytes ? 777 : -1;

    struct flow feeder, sink;
    struct pair from = {.engine = -1}, to = {.engine = -1};
    if (positioned)
        from.engine = file_of(range.size);
    else
        feeder_start(&feeder, (from = source_pairs[pair->source]()).peer, (size_t)range.size);
    if (pair->target == FILE_END)
        to.engine = file_of(0);
    else
        sink_start(&sink, (to = target_pairs[pair->target]()).peer);

    test_note("size %lld, offset %lld, length %lld", (long long)range.size, (long long)offset, (long long)range.length);
    struct sluice_outcome outcome =
        run(context, from.engine, to.engine,
            request(pair->row->strategy, positioned ? offset : -1, range.length, target_offset));
    check_outcome(outcome, reaches_end ? SLUICE_END_EOF : SLUICE_END_DONE, expected);

    if (!positioned) {
        check_left(from.engine, expected, range.size);
        flow_join(&feeder);
    }
    if (pair->target == FILE_END) {
        size_t before = target_offset > 0 && expected > 0 ? (size_t)target_offset : 0;
        check_delivered(read_file(to.engine), before, offset, expected);
    } else {
        end_writing(to.engine);
        flow_join(&sink);
        check_delivered(sink.contents, 0, offset, expected);
    }
}

static void check_pair(const void *argument)
{
    const struct job_case *pair = argument;
    struct context context = context_open();
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        check_range(&context, pair, ranges[i]);
    context_close(&context);
}

__attribute__((constructor)) static void add_pairs(void)
{
    static struct job_case cases[5 * KIND_COUNT * KIND_COUNT];
    size_t count = 0;
    for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        for (enum kind source = FILE_END; source < KIND_COUNT; source++) {
            for (enum kind target = FILE_END; target < KIND_COUNT; target++) {
                if (!(row->sources & BIT(source)) || !(row->targets & BIT(target))) continue;
                struct job_case *pair = &cases[count++];
                *pair = (struct job_case){.row = row, .source = source, .target = target};
                char name[100];
                snprintf(name, sizeof name, "%s moves %s to %s byte for byte", row->name, kind_names[source],
                         kind_names[target]);
                test_add(name, check_pair, pair);
            }
        }
    }
}

TEST("memory files serve every mechanism")
{
    struct context context = context_open();
    for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        int source = memory_file_of(100001), target = memory_file_of(0);
        struct sluice_outcome outcome = run(&context, source, target, request(row->strategy, 1, 100000, -1));
        check_outcome(outcome, SLUICE_END_DONE, 100000);
        check_delivered(read_file(target), 0, 1, 100000);
    }
    context_close(&context);
}

TEST("an outcome counts the system calls, the waits and the CPU time")
{
    struct context context = context_open();
    struct pair pair = unix_pair();
    struct flow sink;
    sink_start(&sink, pair.peer);
    struct sluice_outcome outcome =
        run(&context, file_of(8 * MIB), pair.engine, request(SLUICE_BUFFERED, 0, 8 * MIB, -1));
    CHECK_GE(outcome.syscalls, 2);
    CHECK_GE(outcome.waits, 1); /* the socket holds far less than the file */
    CHECK_GE(outcome.cpu_ns, 1);
    end_writing(pair.engine);
    flow_join(&sink);
    free(sink.contents.bytes);
    context_close(&context);
}
