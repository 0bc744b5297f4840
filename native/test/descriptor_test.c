/* Whose descriptors, whose positions, whose flags: the caller's stay as they were. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support.h"

enum { SIZE = 4 * MIB };

TEST("a target's number may be closed and used again before the start")
{
    struct context context = context_open();
    struct pair old = unix_pair(), other = unix_pair();
    int32_t job = job_open(&context, file_of(5000), old.engine);
    MUST(dup2(other.engine, old.engine));
    job_start(job, request(SLUICE_SENDFILE, 0, 5000, -1));
    check_outcome(next_outcome(&context), SLUICE_END_DONE, 5000);
    job_close(job); /* the last descriptor of the old socket */
    check_contents(read_to_end(old.peer), 5000, 0);
    end_writing(other.engine);
    check_contents(read_to_end(other.peer), 0, 0);
    context_close(&context);
}

TEST("a target's number may be closed and used again while it is full")
{
    static const uint32_t strategies[] = {SLUICE_SENDFILE, SLUICE_SPLICE, SLUICE_MAPPED, SLUICE_BUFFERED};
    struct context context = context_open();
    for (int i = 0; i < 4; i++) {
        struct pair old = unix_pair(), other = unix_pair();
        int32_t job = job_open(&context, file_of(SIZE), old.engine);
        job_start(job, request(strategies[i], 0, SIZE, -1));
        await_full(job, old.engine);
        MUST(dup2(other.engine, old.engine));
        struct flow sink;
        sink_start(&sink, old.peer);
        check_outcome(next_outcome(&context), SLUICE_END_DONE, SIZE);
        job_close(job);
        flow_join(&sink);
        check_contents(sink.contents, SIZE, 0);
        end_writing(other.engine);
        check_contents(read_to_end(other.peer), 0, 0);
    }
    context_close(&context);
}

static struct sluice_request last(uint32_t strategy, int64_t length)
{
    struct sluice_request work = request(strategy, 0, length, -1);
    work.flags = SLUICE_REQUEST_LAST;
    return work;
}

TEST("a job closes itself when its last attempt is done, waited or not")
{
    static const uint32_t strategies[] = {SLUICE_SENDFILE, SLUICE_SPLICE, SLUICE_MAPPED, SLUICE_BUFFERED};
    static const int64_t sizes[] = {5000, SIZE};
    struct context context = context_open();
    for (int i = 0; i < 8; i++) {
        int64_t size = sizes[i / 4];
        struct pair pair = tcp_pair();
        int32_t job = job_open(&context, file_of(size), pair.engine);
        struct flow sink;
        sink_start(&sink, pair.peer);
        job_start(job, last(strategies[i % 4], size));
        check_outcome(next_outcome(&context), SLUICE_END_DONE, size);
        CHECK_EQ(sluice_job_close(job), -EBADF);
        await_census(1, 0);
        /* The duplicates went before the outcome came: this is the connection's last descriptor. */
        drop(pair.engine);
        flow_join(&sink);
        check_contents(sink.contents, size, 0);
    }
    context_close(&context);
}

TEST("a last attempt that is not done leaves its job open")
{
    struct context context = context_open();
    struct pair pair = tcp_pair();
    int32_t job = job_open(&context, file_of(5000), pair.engine);
    job_start(job, last(SLUICE_SENDFILE, 6000));
    check_outcome(next_outcome(&context), SLUICE_END_EOF, 5000);
    CHECK_EQ(sluice_job_close(job), 0);
    job = job_open(&context, file_of(64 * MIB), pair.engine);
    job_start(job, last(SLUICE_SENDFILE, 64 * MIB));
    await_full(job, pair.engine);
    CHECK_EQ(sluice_job_cancel(job), 0);
    CHECK_EQ(next_outcome(&context).end, SLUICE_END_CANCELLED);
    CHECK_EQ(sluice_job_close(job), 0);
    context_close(&context);
}

TEST("a source's number may be closed and used again while it is sent")
{
    struct context context = context_open();
    struct pair pair = unix_pair();
    int source = file_of(SIZE), secret = own(memfd_create("secret", MFD_CLOEXEC));
    MUST(ftruncate(secret, SIZE));
    int32_t job = job_open(&context, source, pair.engine);
    job_start(job, request(SLUICE_SENDFILE, 0, SIZE, -1));
    await_full(job, pair.engine);
    MUST(dup2(secret, source));
    struct flow sink;
    sink_start(&sink, pair.peer);
    check_outcome(next_outcome(&context), SLUICE_END_DONE, SIZE);
    job_close(job);
    end_writing(pair.engine);
    flow_join(&sink);
    check_contents(sink.contents, SIZE, 0);
    context_close(&context);
}

TEST("descriptors of the engine are close-on-exec")
{
    static bool before[FD_LIMIT], after[FD_LIMIT];
    open_fds(before);
    struct context context = context_open();
    struct pair from = unix_pair(), to = unix_pair();
    int32_t job = job_open(&context, from.engine, to.engine);
    job_start(job, request(SLUICE_SPLICE, -1, -1, -1));
    write_pattern(from.peer, 10, 0);
    test_note("waiting for the splice to have its pipe");
    while (job_progress(job) < 10)
        usleep(500);
    int opened = 0;
    open_fds(after);
    for (int fd = 0; fd < FD_LIMIT; fd++) {
        if (before[fd] || !after[fd]) continue;
        opened++;
        CHECK(MUST(fcntl(fd, F_GETFD)) & FD_CLOEXEC);
    }
    CHECK_GE(opened, 8); /* two pairs, two duplicates, the wake-up socket */
    context_close(&context);
}

static const struct placing {
    const char *name;
    uint32_t strategy;
    bool takes_target_offset;
} placings[] = {
    {"sendfile", SLUICE_SENDFILE, false},
    {"splice", SLUICE_SPLICE, true},
    {"copyFileRange", SLUICE_COPY_FILE_RANGE, true},
    {"mapped", SLUICE_MAPPED, true},
    {"buffered", SLUICE_BUFFERED, true},
};

static void check_place(int target, size_t size, size_t at, size_t bytes, int64_t offset)
{
    struct contents all = read_file(target);
    CHECK_EQ(all.size, size);
    check_pattern(all.bytes, at, 0);
    check_pattern(all.bytes + at, bytes, offset);
    check_pattern(all.bytes + at + bytes, size - at - bytes, (int64_t)(at + bytes));
    free(all.bytes);
}

static void keeps_positions(const void *argument)
{
    const struct placing *placing = argument;
    struct context context = context_open();
    int source = file_of(9000), target = file_of(9000);
    MUST(lseek(source, 7, SEEK_SET));
    MUST(lseek(target, 11, SEEK_SET));
    struct sluice_outcome outcome = run(&context, source, target, request(placing->strategy, 500, 1001, 3000));
    check_outcome(outcome, SLUICE_END_DONE, 1001);
    CHECK_EQ(lseek(source, 0, SEEK_CUR), 7);
    CHECK_EQ(lseek(target, 0, SEEK_CUR), 11);
    check_place(target, 9000, 3000, 1001, 500);
    context_close(&context);
}

static void writes_at_own_position(const void *argument)
{
    const struct placing *placing = argument;
    struct context context = context_open();
    int source = file_of(9000), target = file_of(9000);
    MUST(lseek(source, 7, SEEK_SET));
    MUST(lseek(target, 11, SEEK_SET));
    for (int i = 0; i < 2; i++) {
        struct sluice_outcome outcome =
            run(&context, source, target, request(placing->strategy, 500 + i * 1001, 1001, -1));
        check_outcome(outcome, SLUICE_END_DONE, 1001);
        CHECK_EQ(lseek(target, 0, SEEK_CUR), 11 + (i + 1) * 1001);
    }
    CHECK_EQ(lseek(source, 0, SEEK_CUR), 7);
    check_place(target, 9000, 11, 2002, 500);
    context_close(&context);
}

__attribute__((constructor)) static void add_placings(void)
{
    for (const struct placing *placing = placings; placing < placings + sizeof placings / sizeof *placings; placing++) {
        char name[100];
        snprintf(name, sizeof name, "%s at the target's own position advances it", placing->name);
        test_add(name, writes_at_own_position, placing);
        if (!placing->takes_target_offset) continue;
        snprintf(name, sizeof name, "%s at explicit offsets leaves both positions alone", placing->name);
        test_add(name, keeps_positions, placing);
    }
}

TEST("a blocking pipe's flags stay as they were")
{
    static const uint32_t strategies[] = {SLUICE_SPLICE, SLUICE_BUFFERED};
    struct context context = context_open();
    for (int i = 0; i < 2; i++) {
        struct pair from = source_pipe(), to = target_pipe();
        set_blocking(from.engine, true);
        set_blocking(to.engine, true);
        int source_flags = fcntl(from.engine, F_GETFL), target_flags = fcntl(to.engine, F_GETFL);
        int32_t job = job_open(&context, from.engine, to.engine);
        job_start(job, request(strategies[i], -1, -1, -1));
        write_pattern(from.peer, 1000, 0);
        test_note("waiting for 1,000 bytes");
        while (job_progress(job) < 1000)
            usleep(500);
        CHECK_EQ(fcntl(from.engine, F_GETFL), source_flags);
        CHECK_EQ(fcntl(to.engine, F_GETFL), target_flags);
        drop(from.peer);
        check_outcome(next_outcome(&context), SLUICE_END_EOF, 1000);
        CHECK_EQ(fcntl(from.engine, F_GETFL), source_flags);
        CHECK_EQ(fcntl(to.engine, F_GETFL), target_flags);
        job_close(job);
        drop(to.engine);
        check_contents(read_to_end(to.peer), 1000, 0);
    }
    context_close(&context);
}

TEST("both ends may be one socket")
{
    struct context context = context_open();
    struct pair pair = unix_pair();
    write_pattern(pair.peer, 3000, 0);
    end_writing(pair.peer);
    check_outcome(run(&context, pair.engine, pair.engine, request(SLUICE_SPLICE, -1, -1, -1)), SLUICE_END_EOF, 3000);
    end_writing(pair.engine);
    check_contents(read_to_end(pair.peer), 3000, 0);
    context_close(&context);
}

TEST("sluice_duplicate() gives a close-on-exec duplicate")
{
    int source = file_of(100), copy = own(sluice_duplicate(source));
    CHECK(copy != source);
    CHECK(MUST(fcntl(copy, F_GETFD)) & FD_CLOEXEC);
    drop(source);
    check_contents(read_file(copy), 100, 0);
    CHECK_EQ(sluice_duplicate(-1), -EBADF);
    CHECK_EQ(sluice_duplicate(FD_LIMIT - 1), -EBADF);
}
