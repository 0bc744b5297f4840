/* Failures are values: an errno and the bytes that left before it. No signal kills the process. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

enum { SIZE = 8 * MIB };

static const uint32_t to_streams[] = {SLUICE_SENDFILE, SLUICE_SPLICE, SLUICE_MAPPED, SLUICE_BUFFERED};
static open_pair *const stream_targets[] = {unix_pair, tcp_pair, target_pipe};

static bool is_disconnect(struct sluice_outcome outcome)
{
    return outcome.end == SLUICE_END_ERROR && (outcome.error == EPIPE || outcome.error == ECONNRESET);
}

TEST("a peer that closes while the target is full is EPIPE or ECONNRESET")
{
    struct context context = context_open();
    int source = file_of(SIZE);
    for (int i = 0; i < 12; i++) {
        struct pair pair = stream_targets[i % 3]();
        int32_t job = job_open(&context, source, pair.engine);
        job_start(job, request(to_streams[i / 3], 0, SIZE, -1));
        int64_t moved = await_stalled(job, pair.engine);
        drop(pair.peer);
        struct sluice_outcome outcome = next_outcome(&context);
        if (!is_disconnect(outcome)) FAIL("case %d: end %u, error %d", i, outcome.end, outcome.error);
        CHECK_GE(outcome.bytes, moved);
        CHECK(outcome.bytes < SIZE);
        job_close(job);
    }
    context_close(&context);
}

TEST("a target that is closed or shut down before the start is EPIPE with nothing moved")
{
    struct context context = context_open();
    int source = file_of(1000);
    for (int i = 0; i < 8; i++) {
        struct pair pair = i % 2 ? tcp_pair() : unix_pair();
        MUST(shutdown(pair.engine, SHUT_WR));
        struct sluice_outcome outcome = run(&context, source, pair.engine, request(to_streams[i / 2], 0, 1000, -1));
        check_error(outcome, EPIPE);
        CHECK_EQ(outcome.bytes, 0);
        struct pair pipe = target_pipe();
        drop(pipe.peer);
        outcome = run(&context, source, pipe.engine, request(to_streams[i / 2], 0, 1000, -1));
        check_error(outcome, EPIPE);
        CHECK_EQ(outcome.bytes, 0);
    }
    context_close(&context);
}

TEST("bytes of a stream that a closed target did not take are stranded")
{
    static const uint32_t strategies[] = {SLUICE_SPLICE, SLUICE_BUFFERED};
    struct context context = context_open();
    for (int i = 0; i < 2; i++) {
        struct pair from = unix_pair(), to = unix_pair();
        MUST(shutdown(to.engine, SHUT_WR));
        write_pattern(from.peer, 5000, 0);
        end_writing(from.peer);
        struct sluice_outcome outcome = run(&context, from.engine, to.engine, request(strategies[i], -1, -1, -1));
        check_error(outcome, EPIPE);
        CHECK_EQ(outcome.bytes, 0);
        struct contents left = read_to_end(from.engine);
        CHECK_EQ(outcome.stranded + (int64_t)left.size, 5000);
        free(left.bytes);
    }
    context_close(&context);
}

TEST("sockets that are not connected are errors")
{
    struct context context = context_open();
    int source = file_of(1000);
    for (int i = 0; i < 4; i++) {
        int target = own(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        struct sluice_outcome outcome = run(&context, source, target, request(to_streams[i], 0, 1000, -1));
        if (outcome.error != ENOTCONN) check_error(outcome, EPIPE);
        CHECK_EQ(outcome.bytes, 0);
    }
    context_close(&context);
}

TEST("a full device is ENOSPC")
{
    struct context context = context_open();
    int full = own(open("/dev/full", O_WRONLY | O_CLOEXEC));
    check_error(run(&context, file_of(1000), full, request(SLUICE_BUFFERED, 0, 1000, -1)), ENOSPC);
    check_error(run(&context, file_of(1000), full, request(SLUICE_MAPPED, 0, 1000, -1)), ENOSPC);
    struct pair from = unix_pair();
    write_pattern(from.peer, 1000, 0);
    struct sluice_outcome outcome = run(&context, from.engine, full, request(SLUICE_BUFFERED, -1, 1000, -1));
    check_error(outcome, ENOSPC);
    CHECK_EQ(outcome.stranded, 1000);
    context_close(&context);
}

TEST("a file size limit is EFBIG with the bytes that fitted")
{
    enum { LIMIT = 100001 };
    static const uint32_t strategies[] = {SLUICE_SENDFILE, SLUICE_SPLICE, SLUICE_COPY_FILE_RANGE, SLUICE_MAPPED,
                                          SLUICE_BUFFERED};
    struct context context = context_open();
    int source = file_of(MIB);
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_FSIZE, &limit));
    limit.rlim_cur = LIMIT;
    MUST(setrlimit(RLIMIT_FSIZE, &limit));
    for (int i = 0; i < 5; i++) {
        int target = file_of(0);
        struct sluice_outcome outcome = run(&context, source, target, request(strategies[i], 0, MIB, -1));
        check_error(outcome, EFBIG);
        CHECK_EQ(outcome.bytes, LIMIT);
        check_contents(read_file(target), LIMIT, 0);
    }
    context_close(&context);
}

TEST("buffered appends to a file that is open with O_APPEND")
{
    struct context context = context_open();
    int target = file_of(1000);
    MUST(fcntl(target, F_SETFL, O_APPEND));
    check_outcome(run(&context, file_of(3000), target, request(SLUICE_BUFFERED, 1000, 2000, -1)), SLUICE_END_DONE,
                  2000);
    check_contents(read_file(target), 3000, 0);
    context_close(&context);
}

TEST("O_APPEND is refused by mechanisms that can't append")
{
    static const struct {
        uint32_t strategy;
        int error;
    } refusals[] = {{SLUICE_SPLICE, EINVAL}, {SLUICE_COPY_FILE_RANGE, EBADF}, {SLUICE_SENDFILE, EINVAL}};
    struct context context = context_open();
    for (int i = 0; i < 3; i++) {
        int target = file_of(10);
        MUST(fcntl(target, F_SETFL, O_APPEND));
        struct sluice_outcome outcome =
            run(&context, file_of(1000), target, request(refusals[i].strategy, 0, 1000, -1));
        check_error(outcome, refusals[i].error);
        CHECK_EQ(outcome.bytes, 0);
        struct stat status;
        MUST(fstat(target, &status));
        CHECK_EQ(status.st_size, 10);
    }
    context_close(&context);
}

TEST("a refused splice from a stream loses nothing")
{
    struct context context = context_open();
    struct pair from = unix_pair();
    int target = file_of(0);
    MUST(fcntl(target, F_SETFL, O_APPEND));
    write_pattern(from.peer, 5000, 0);
    end_writing(from.peer);
    int32_t job = job_open(&context, from.engine, target);
    job_start(job, request(SLUICE_SPLICE, -1, -1, -1));
    struct sluice_outcome refused = next_outcome(&context);
    check_error(refused, EINVAL);
    CHECK_EQ(refused.stranded, 0);
    job_start(job, request(SLUICE_BUFFERED, -1, -1, -1));
    check_outcome(next_outcome(&context), SLUICE_END_EOF, 5000 - refused.bytes);
    check_contents(read_file(target), 5000, 0);
    context_close(&context);
}

TEST("ends that are open the wrong way are EBADF or EISDIR")
{
    struct context context = context_open();
    int read_only = own(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    int write_only = own(open("/dev/null", O_WRONLY | O_CLOEXEC));
    int directory = own(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int file = file_of(1000);
    check_error(run(&context, file, read_only, request(SLUICE_BUFFERED, 0, 10, 0)), EBADF);
    check_error(run(&context, file, read_only, request(SLUICE_SPLICE, 0, 10, 0)), EBADF);
    check_error(run(&context, file, read_only, request(SLUICE_SENDFILE, 0, 10, -1)), EBADF);
    check_error(run(&context, write_only, file, request(SLUICE_BUFFERED, 0, 10, 0)), EBADF);
    check_error(run(&context, directory, file, request(SLUICE_BUFFERED, 0, 10, 0)), EISDIR);
    check_error(run(&context, file, directory, request(SLUICE_BUFFERED, 0, 10, 0)), EBADF);
    context_close(&context);
}

/* A TCP socket whose peer is gone with a reset. */
static int reset_socket(void)
{
    struct pair pair = tcp_pair();
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    MUST(setsockopt(pair.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    drop(pair.peer);
    return pair.engine;
}

TEST("an outcome names the end that failed")
{
    static const uint32_t strategies[] = {SLUICE_SPLICE, SLUICE_BUFFERED};
    struct context context = context_open();
    for (int i = 0; i < 2; i++) {
        struct sluice_outcome outcome =
            run(&context, reset_socket(), unix_pair().engine, request(strategies[i], -1, -1, -1));
        check_error(outcome, ECONNRESET);
        CHECK_EQ(outcome.failed, SLUICE_SIDE_SOURCE);
        struct pair from = unix_pair();
        write_pattern(from.peer, 1000, 0);
        outcome = run(&context, from.engine, reset_socket(), request(strategies[i], -1, -1, -1));
        if (!is_disconnect(outcome)) check_error(outcome, ECONNRESET);
        CHECK_EQ(outcome.failed, SLUICE_SIDE_TARGET);
        outcome = run(&context, file_of(1000), reset_socket(), request(strategies[i], 0, 1000, -1));
        if (!is_disconnect(outcome)) check_error(outcome, ECONNRESET);
        CHECK_EQ(outcome.failed, SLUICE_SIDE_TARGET);
    }
    context_close(&context);
}

TEST("sendfile from a pipe is refused before a byte moves")
{
    struct context context = context_open();
    struct pair from = source_pipe(), to = unix_pair();
    write_pattern(from.peer, 1000, 0);
    struct sluice_outcome outcome = run(&context, from.engine, to.engine, request(SLUICE_SENDFILE, 0, 1000, -1));
    if (outcome.error != ESPIPE) check_error(outcome, EINVAL);
    CHECK_EQ(outcome.bytes, 0);
    drop(from.peer);
    check_contents(read_to_end(from.engine), 1000, 0);
    context_close(&context);
}

TEST("copyFileRange between filesystems moves everything or nothing")
{
    struct context context = context_open();
    int target = memory_file_of(0);
    struct sluice_outcome outcome = run(&context, file_of(5000), target, request(SLUICE_COPY_FILE_RANGE, 0, 5000, 0));
    if (outcome.end == SLUICE_END_ERROR) {
        if (outcome.error != EXDEV) check_error(outcome, EINVAL);
        CHECK_EQ(outcome.bytes, 0);
    } else {
        check_outcome(outcome, SLUICE_END_DONE, 5000);
    }
    context_close(&context);
}
