/* Sources without positions: what is taken from them can't be read again, so every byte is accounted for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

/* Everything the source gave is delivered, stranded or still there. */
static void check_stream_cancel(uint32_t strategy, open_pair *sources, open_pair *targets)
{
    struct context context = context_open();
    struct pair from = sources(), to = targets();
    set_blocking(from.peer, false);
    int32_t job = job_open(&context, from.engine, to.engine);
    job_start(job, request(strategy, -1, -1, -1));
    int64_t fed = 0, moved = -1;
    uint8_t bytes[3001];
    test_note("feeding the source until nothing moves");
    for (int still = 0; still < 20;) {
        pattern_fill(bytes, sizeof bytes, fed);
        ssize_t n = write(from.peer, bytes, sizeof bytes);
        if (n > 0) {
            fed += n;
            continue;
        }
        CHECK_EQ(errno, EAGAIN);
        usleep(5000);
        int64_t now = job_progress(job);
        still = now == moved ? still + 1 : 0;
        moved = now;
    }
    CHECK_EQ(sluice_job_cancel(job), 0);
    struct sluice_outcome outcome = next_outcome(&context);
    CHECK_EQ(outcome.end, SLUICE_END_CANCELLED);
    CHECK_GE(outcome.bytes, 1);
    CHECK_GE(outcome.stranded, 0);
    job_close(job);
    end_writing(from.peer);
    end_writing(to.engine);
    struct contents left = read_to_end(from.engine);
    CHECK_EQ(outcome.bytes + outcome.stranded + (int64_t)left.size, fed);
    check_pattern(left.bytes, left.size, outcome.bytes + outcome.stranded);
    free(left.bytes);
    check_contents(read_to_end(to.peer), outcome.bytes, 0);
    context_close(&context);
}

TEST("a cancelled splice between sockets accounts for every byte")
{
    check_stream_cancel(SLUICE_SPLICE, unix_pair, unix_pair);
    check_stream_cancel(SLUICE_SPLICE, tcp_pair, unix_pair);
}

TEST("a cancelled splice from a pipe accounts for every byte")
{
    check_stream_cancel(SLUICE_SPLICE, source_pipe, unix_pair);
    check_stream_cancel(SLUICE_SPLICE, source_pipe, target_pipe);
}

TEST("a cancelled buffered attempt between streams accounts for every byte")
{
    check_stream_cancel(SLUICE_BUFFERED, unix_pair, unix_pair);
    check_stream_cancel(SLUICE_BUFFERED, source_pipe, tcp_pair);
}

/*
 * The kernel makes pipes of two pages for an unprivileged user who has many (pipe-user-pages-soft): not those are to
 * be kept.
 */
TEST("a pipe that had to be small is not used again")
{
    enum { MOST = 400, SIZE = 8 * MIB };
    int fds[MOST][2], count = 0;
    int64_t size = MIB;
    if (geteuid() != 0) SKIP("not running as root");
    int file = file_of(SIZE);
    MUST(setresuid(61234, 61234, 61234));
    while (size > 2 * 4096 && count < MOST) {
        MUST(pipe2(fds[count], O_CLOEXEC));
        if (fcntl(fds[count][1], F_SETPIPE_SZ, MIB) == -1) size = MUST(fcntl(fds[count][1], F_GETPIPE_SZ));
        count++;
    }
    struct context context = context_open();
    int64_t syscalls[2];
    for (int round = 0; round < 2; round++) {
        struct pair to = unix_pair();
        struct flow sink;
        sink_start(&sink, to.peer);
        struct sluice_outcome outcome = run(&context, file, to.engine, request(SLUICE_SPLICE, 0, SIZE, -1));
        check_outcome(outcome, SLUICE_END_DONE, SIZE);
        syscalls[round] = outcome.syscalls;
        end_writing(to.engine);
        flow_join(&sink);
        check_contents(sink.contents, SIZE, 0);
        for (int i = 0; i < count; i++) {
            close(fds[i][0]);
            close(fds[i][1]);
        }
        count = 0;
    }
    context_close(&context);
    if (size > 2 * 4096) SKIP("pipes don't become small here");
    if (syscalls[1] * 2 > syscalls[0])
        FAIL("%lld system calls with large pipes, %lld with small ones", (long long)syscalls[1],
             (long long)syscalls[0]);
}

static const uint32_t stream_strategies[] = {SLUICE_SPLICE, SLUICE_BUFFERED};
static open_pair *const stream_sources[] = {unix_pair, tcp_pair, source_pipe};

TEST("an attempt on an idle source is cancelled with nothing moved")
{
    struct context context = context_open();
    for (int i = 0; i < 6; i++) {
        for (int blocking = 0; blocking < 2; blocking++) {
            struct pair from = stream_sources[i / 2](), to = unix_pair();
            set_blocking(from.engine, blocking);
            int32_t job = job_open(&context, from.engine, to.engine);
            job_start(job, request(stream_strategies[i % 2], -1, -1, -1));
            usleep(2000);
            CHECK_EQ(sluice_job_cancel(job), 0);
            check_outcome(next_outcome(&context), SLUICE_END_CANCELLED, 0);
            job_close(job);
        }
    }
    context_close(&context);
}

TEST("a length of 0 is done though the source is idle and the target full")
{
    struct context context = context_open();
    struct pair from = unix_pair(), to = unix_pair();
    write_until_full(to.engine);
    check_outcome(run(&context, from.engine, to.engine, request(SLUICE_SPLICE, -1, 0, -1)), SLUICE_END_DONE, 0);
    check_outcome(run(&context, from.engine, to.engine, request(SLUICE_BUFFERED, -1, 0, -1)), SLUICE_END_DONE, 0);
    check_outcome(run(&context, file_of(10), to.engine, request(SLUICE_SENDFILE, 0, 0, -1)), SLUICE_END_DONE, 0);
    context_close(&context);
}

TEST("an attempt from a stream delivers what comes as it comes")
{
    struct context context = context_open();
    for (int i = 0; i < 6; i++) {
        struct pair from = stream_sources[i / 2](), to = unix_pair();
        int32_t job = job_open(&context, from.engine, to.engine);
        job_start(job, request(stream_strategies[i % 2], -1, -1, -1));
        for (int64_t sent = 0; sent < 5000; sent += 1000) {
            write_pattern(from.peer, 1000, sent);
            test_note("waiting for %lld bytes of progress", (long long)sent + 1000);
            while (job_progress(job) < sent + 1000)
                usleep(500);
            CHECK_EQ(job_progress(job), sent + 1000);
        }
        end_writing(from.peer);
        check_outcome(next_outcome(&context), SLUICE_END_EOF, 5000);
        job_close(job);
        end_writing(to.engine);
        check_contents(read_to_end(to.peer), 5000, 0);
    }
    context_close(&context);
}

TEST("an attempt with a length ends while the source stays open")
{
    struct context context = context_open();
    for (int i = 0; i < 6; i++) {
        struct pair from = stream_sources[i / 2](), to = unix_pair();
        write_pattern(from.peer, 1000, 0);
        struct sluice_outcome outcome =
            run(&context, from.engine, to.engine, request(stream_strategies[i % 2], -1, 1, -1));
        check_outcome(outcome, SLUICE_END_DONE, 1);
        outcome = run(&context, from.engine, to.engine, request(stream_strategies[i % 2], -1, 999, -1));
        check_outcome(outcome, SLUICE_END_DONE, 999);
        end_writing(to.engine);
        check_contents(read_to_end(to.peer), 1000, 0);
    }
    context_close(&context);
}

TEST("an empty pipe whose writer is gone is at its end")
{
    struct context context = context_open();
    for (int blocking = 0; blocking < 2; blocking++) {
        for (int i = 0; i < 2; i++) {
            struct pair from = source_pipe(), to = unix_pair();
            set_blocking(from.engine, blocking);
            drop(from.peer);
            struct sluice_outcome outcome =
                run(&context, from.engine, to.engine, request(stream_strategies[i], -1, -1, -1));
            check_outcome(outcome, SLUICE_END_EOF, 0);
        }
    }
    context_close(&context);
}

TEST("a FIFO that nobody writes to yet is waited for")
{
    struct context context = context_open();
    for (int i = 0; i < 2; i++) {
        char path[40];
        snprintf(path, sizeof path, "fifo-%d", getpid());
        MUST(mkfifo(path, 0600));
        int source = own(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        struct pair to = unix_pair();
        int32_t job = job_open(&context, source, to.engine);
        job_start(job, request(stream_strategies[i], -1, -1, -1));
        /* An engine that took the absence of writers for the end would say so by now. */
        usleep(100000);
        struct sluice_outcome early;
        int32_t ended = sluice_reap(context.handle, &early, 1);
        int writer = own(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
        MUST(unlink(path));
        CHECK_EQ(ended, 0);
        write_pattern(writer, 5000, 0);
        drop(writer);
        check_outcome(next_outcome(&context), SLUICE_END_EOF, 5000);
        job_close(job);
        end_writing(to.engine);
        check_contents(read_to_end(to.peer), 5000, 0);
    }
    context_close(&context);
}

static const uint32_t relays[] = {SLUICE_SPLICE, SLUICE_BUFFERED};

TEST("sluice_job_residue() gives back what was read from a stream and not delivered")
{
    for (int i = 0; i < 2; i++) {
        struct context context = context_open();
        struct pair source = unix_pair(), target = unix_pair();
        int32_t job = job_open(&context, source.engine, target.engine);
        struct flow feeder;
        feeder_start(&feeder, source.peer, 4 * MIB);
        job_start(job, request(relays[i], -1, -1, -1));
        /* A busy machine may have stopped the feeder instead: then the source is what is waited for. */
        do
            await_stalled(job, target.engine);
        while (!is_readable(source.engine));
        CHECK_EQ(sluice_job_residue(job, NULL, 0), -EBUSY);
        CHECK_EQ(sluice_job_cancel(job), 0);
        struct sluice_outcome outcome = next_outcome(&context);
        CHECK_EQ(outcome.end, SLUICE_END_CANCELLED);
        CHECK_GE(outcome.stranded, 1);
        uint8_t *bytes = malloc((size_t)outcome.stranded);
        int64_t taken = sluice_job_residue(job, bytes, 1000);
        CHECK_EQ(taken, outcome.stranded < 1000 ? outcome.stranded : 1000);
        while (taken < outcome.stranded) {
            int32_t n = sluice_job_residue(job, bytes + taken, (uint32_t)(outcome.stranded - taken));
            CHECK_GE(n, 1);
            taken += n;
        }
        CHECK_EQ(sluice_job_residue(job, bytes, 1000), 0);
        check_pattern(bytes, (size_t)taken, outcome.bytes);
        free(bytes);
        job_close(job);
        free(read_to_end(source.engine).bytes);
        flow_join(&feeder);
        context_close(&context);
    }
}
