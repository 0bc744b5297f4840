/* sluice_job_attempt(): a splice that begins on the calling thread, where it may wait for nothing. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support.h"

enum { HANDLES = 256 };

struct begun {
    struct sluice_outcome outcome;
    int32_t job;
};

static struct begun begin(const struct context *context, int source, int target, int64_t length)
{
    struct begun begun;
    struct sluice_request work = request(SLUICE_SPLICE, -1, length, -1);
    memset(&begun.outcome, 0xee, sizeof begun.outcome);
    begun.job = sluice_job_attempt(context->handle, source, target, &work, &begun.outcome);
    CHECK_GE(begun.job, 0);
    CHECK_EQ(begun.outcome.job, begun.job);
    CHECK_EQ(begun.outcome.waits, 0);
    return begun;
}

static void check_over(struct begun begun, uint32_t end, int64_t bytes)
{
    check_outcome(begun.outcome, end, bytes);
    CHECK_EQ(begun.job, 0);
}

static void check_blocked(struct begun begun)
{
    CHECK_EQ(begun.outcome.end, SLUICE_END_BLOCKED);
    CHECK_EQ(begun.outcome.error, 0);
    CHECK_GE(begun.job, 1);
}

static struct sluice_outcome go_on(const struct context *context, struct begun begun)
{
    job_start(begun.job, (struct sluice_request){.flags = SLUICE_REQUEST_RESUME});
    struct sluice_outcome outcome = next_outcome(context);
    CHECK_EQ(outcome.job, begun.job);
    return outcome;
}

/* Takes what a job holds, which must be so many pattern bytes from `position` on. */
static void check_residue(int32_t job, int64_t bytes, int64_t position)
{
    uint8_t *held = malloc((size_t)bytes + 1);
    int64_t taken = 0;
    for (int32_t n; (n = sluice_job_residue(job, held + taken, 1000)) > 0; taken += n)
        CHECK_LE(taken + n, bytes);
    CHECK_EQ(taken, bytes);
    check_pattern(held, (size_t)bytes, position);
    free(held);
}

static open_pair *const pairs[] = {unix_pair, tcp_pair};
enum { PAIRS = 2 };

/* So many bytes that have arrived. */
static void arrive(struct pair from, int64_t bytes)
{
    write_pattern(from.peer, (size_t)bytes, 0);
    char peeked[64 * KIB];
    while (recv(from.engine, peeked, sizeof peeked, MSG_PEEK | MSG_DONTWAIT) < bytes)
        test_note("waiting for %lld bytes to arrive", (long long)bytes);
}

TEST("sluice_job_attempt() splices what has arrived, and is over")
{
    struct context context = context_open();
    for (int i = 0; i < PAIRS * PAIRS; i++) {
        struct pair from = pairs[i % PAIRS](), to = pairs[i / PAIRS]();
        arrive(from, 30000);
        check_over(begin(&context, from.engine, to.engine, 29000), SLUICE_END_DONE, 29000);
        end_writing(to.engine);
        check_contents(read_to_end(to.peer), 29000, 0);
        end_writing(from.peer);
        check_contents(read_to_end(from.engine), 1000, 29000);
    }
    context_close(&context);
}

TEST("sluice_job_attempt() splices to a file in memory, at an offset and at its position")
{
    struct context context = context_open();
    struct pair from = unix_pair();
    int target = memory_file_of(0);
    arrive(from, 30000);
    struct sluice_outcome outcome;
    struct sluice_request work = request(SLUICE_SPLICE, -1, 20000, 0);
    CHECK_EQ(sluice_job_attempt(context.handle, from.engine, target, &work, &outcome), 0);
    check_outcome(outcome, SLUICE_END_DONE, 20000);
    CHECK_EQ(lseek(target, 0, SEEK_CUR), 0);
    MUST(lseek(target, 20000, SEEK_SET));
    check_over(begin(&context, from.engine, target, 10000), SLUICE_END_DONE, 10000);
    check_contents(read_file(target), 30000, 0);
    context_close(&context);
}

TEST("sluice_job_attempt() starts no thread, and keeps an empty pipe alone")
{
    struct context context = context_open();
    struct pair from = unix_pair(), to = unix_pair();
    struct sluice_census before, after;
    CHECK_EQ(sluice_census(&before), 0);
    for (int i = 0; i < 100; i++) {
        arrive(from, 1000);
        check_over(begin(&context, from.engine, to.engine, 1000), SLUICE_END_DONE, 1000);
        uint8_t bytes[1000];
        CHECK_EQ(recv(to.peer, bytes, sizeof bytes, MSG_WAITALL), 1000);
    }
    CHECK_EQ(sluice_census(&after), 0);
    CHECK_EQ(after.workers + after.blocking_workers + after.jobs, 0);
    CHECK_EQ(after.pooled_pipes, 1);
    CHECK_EQ(after.descriptors, before.descriptors + 2);
    context_close(&context);
}

TEST("sluice_job_attempt() finds the end, before the first byte and behind the last")
{
    struct context context = context_open();
    for (int i = 0; i < PAIRS; i++) {
        struct pair from = pairs[i](), to = unix_pair();
        arrive(from, 5000);
        end_writing(from.peer);
        test_note("waiting for the end of the source");
        struct begun begun = begin(&context, from.engine, to.engine, -1);
        if (begun.outcome.end == SLUICE_END_BLOCKED) {
            /* TCP's end may still be on its way. */
            check_outcome(go_on(&context, begun), SLUICE_END_EOF, 0);
            job_close(begun.job);
        } else
            check_over(begun, SLUICE_END_EOF, 5000);
        check_over(begin(&context, from.engine, to.engine, -1), SLUICE_END_EOF, 0);
        check_over(begin(&context, from.engine, to.engine, 100), SLUICE_END_EOF, 0);
        check_over(begin(&context, from.engine, to.engine, 0), SLUICE_END_DONE, 0);
        end_writing(to.engine);
        check_contents(read_to_end(to.peer), 5000, 0);
    }
    context_close(&context);
}

TEST("sluice_job_attempt() from a source that is empty goes on when bytes come")
{
    struct context context = context_open();
    for (int i = 0; i < PAIRS; i++) {
        struct pair from = pairs[i](), to = tcp_pair();
        struct flow feeder, sink;
        struct begun begun = begin(&context, from.engine, to.engine, -1);
        check_blocked(begun);
        CHECK_EQ(begun.outcome.bytes + begun.outcome.stranded, 0);
        feeder_start(&feeder, from.peer, MIB);
        sink_start(&sink, to.peer);
        check_outcome(go_on(&context, begun), SLUICE_END_EOF, MIB);
        job_close(begun.job);
        end_writing(to.engine);
        flow_join(&feeder);
        flow_join(&sink);
        check_contents(sink.contents, MIB, 0);
    }
    context_close(&context);
}

TEST("sluice_job_attempt() into a full target holds what it has taken, and goes on from there")
{
    struct context context = context_open();
    for (int i = 0; i < PAIRS * PAIRS; i++) {
        struct pair from = pairs[i % PAIRS](), to = pairs[i / PAIRS]();
        int64_t before = write_until_full(to.engine);
        arrive(from, 30000);
        struct begun begun = begin(&context, from.engine, to.engine, 30000);
        check_blocked(begun);
        CHECK_EQ(begun.outcome.bytes + begun.outcome.stranded, 30000);
        struct flow sink;
        sink_start(&sink, to.peer);
        check_outcome(go_on(&context, begun), SLUICE_END_DONE, 30000 - begun.outcome.bytes);
        job_close(begun.job);
        end_writing(to.engine);
        flow_join(&sink);
        CHECK_EQ(sink.contents.size, before + 30000);
        check_pattern(sink.contents.bytes, (size_t)before, 0);
        check_pattern(sink.contents.bytes + before, 30000, 0);
        free(sink.contents.bytes);
    }
    context_close(&context);
}

TEST("what sluice_job_attempt() holds can be taken back")
{
    struct context context = context_open();
    struct pair from = unix_pair(), to = unix_pair();
    write_until_full(to.engine);
    arrive(from, 30000);
    struct begun begun = begin(&context, from.engine, to.engine, 30000);
    check_blocked(begun);
    CHECK_GE(begun.outcome.stranded, 1);
    check_residue(begun.job, begun.outcome.stranded, begun.outcome.bytes);
    job_close(begun.job);
    arrive(from, 500);
    begun = begin(&context, from.engine, to.engine, 500);
    check_blocked(begun); /* and is dropped, with what it holds */
    job_close(begun.job);
    context_close(&context);
}

TEST("a resumed job can be cancelled")
{
    struct context context = context_open();
    struct pair from = unix_pair(), to = unix_pair();
    struct begun begun = begin(&context, from.engine, to.engine, -1);
    check_blocked(begun);
    job_start(begun.job, (struct sluice_request){.flags = SLUICE_REQUEST_RESUME});
    struct sluice_request again = {.flags = SLUICE_REQUEST_RESUME};
    CHECK_EQ(sluice_job_start(begun.job, &again), -EBUSY);
    CHECK_EQ(sluice_job_cancel(begun.job), 0);
    check_outcome(next_outcome(&context), SLUICE_END_CANCELLED, 0);
    CHECK_EQ(sluice_job_start(begun.job, &again), -EINVAL);
    job_close(begun.job);
    int32_t job = job_open(&context, from.engine, to.engine);
    CHECK_EQ(sluice_job_start(job, &again), -EINVAL);
    job_close(job);
    context_close(&context);
}

TEST("a resumed job that is the last closes itself")
{
    struct context context = context_open();
    struct pair from = unix_pair(), to = unix_pair();
    struct begun begun = begin(&context, from.engine, to.engine, 100);
    check_blocked(begun);
    write_pattern(from.peer, 100, 0);
    job_start(begun.job, (struct sluice_request){.flags = SLUICE_REQUEST_RESUME | SLUICE_REQUEST_LAST});
    check_outcome(next_outcome(&context), SLUICE_END_DONE, 100);
    CHECK_EQ(sluice_job_close(begun.job), -EBADF);
    context_close(&context);
}

TEST("sluice_job_attempt() moves no more than its limit at once")
{
    struct context context = context_open();
    struct pair from = unix_pair();
    int target = memory_file_of(0);
    struct flow feeder;
    feeder_start(&feeder, from.peer, 8 * MIB);
    int64_t moved = 0;
    for (uint32_t end = SLUICE_END_BLOCKED; end == SLUICE_END_BLOCKED;) {
        struct begun begun = begin(&context, from.engine, target, -1);
        end = begun.outcome.end;
        CHECK_LE(begun.outcome.bytes, SLUICE_INLINE_STREAM_BYTES);
        CHECK_EQ(begun.outcome.stranded, 0);
        moved += begun.outcome.bytes;
        if (begun.job > 0) job_close(begun.job);
    }
    CHECK_EQ(moved, 8 * MIB);
    flow_join(&feeder);
    check_contents(read_file(target), 8 * MIB, 0);
    context_close(&context);
}

TEST("sluice_job_attempt() from a connection that was reset is ECONNRESET")
{
    struct context context = context_open();
    struct pair from = tcp_pair(), to = unix_pair();
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    MUST(setsockopt(from.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    drop(from.peer);
    struct begun begun = begin(&context, from.engine, to.engine, -1);
    check_error(begun.outcome, ECONNRESET);
    CHECK_EQ(begun.outcome.failed, SLUICE_SIDE_SOURCE);
    CHECK_EQ(begun.outcome.bytes + begun.outcome.stranded, 0);
    CHECK_EQ(begun.job, 0);
    context_close(&context);
}

TEST("sluice_job_attempt() to a peer that is gone is EPIPE, and holds what it has taken")
{
    signal(SIGPIPE, SIG_IGN); /* as every runtime has it: the calling thread's mask is not ours to change */
    struct context context = context_open();
    struct pair from = unix_pair(), to = unix_pair();
    drop(to.peer);
    arrive(from, 5000);
    struct begun begun = begin(&context, from.engine, to.engine, -1);
    check_error(begun.outcome, EPIPE);
    CHECK_EQ(begun.outcome.failed, SLUICE_SIDE_TARGET);
    CHECK_EQ(begun.outcome.bytes, 0);
    CHECK_EQ(begun.outcome.stranded, 5000);
    struct sluice_request again = {.flags = SLUICE_REQUEST_RESUME};
    CHECK_EQ(sluice_job_start(begun.job, &again), -EINVAL);
    check_residue(begun.job, 5000, 0);
    job_close(begun.job);
    context_close(&context);
}

/* From here on no descriptor is to be had, but for so many. */
static void exhaust(int but)
{
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    int next = (int)MUST(fcntl(0, F_DUPFD_CLOEXEC, 0));
    close(next);
    limit.rlim_cur = (rlim_t)(next + but);
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
}

TEST("sluice_job_attempt() without descriptors for a pipe is EMFILE, and takes nothing")
{
    struct context context = context_open();
    struct pair from = unix_pair(), to = unix_pair();
    arrive(from, 5000);
    exhaust(1);
    struct begun begun = begin(&context, from.engine, to.engine, 5000);
    check_error(begun.outcome, EMFILE);
    CHECK_EQ(begun.outcome.stranded, 0);
    CHECK_EQ(begun.job, 0);
    end_writing(from.peer);
    check_contents(read_to_end(from.engine), 5000, 0);
    context_close(&context);
}

TEST("sluice_job_attempt() that can't go on, for want of descriptors, gives back what it holds")
{
    /* At first there is room for the pipe alone; then that is pooled, and there is room for one of the duplicates. */
    for (int but = 2; but > 0; but--) {
        struct context context = context_open();
        struct pair from = unix_pair(), to = unix_pair();
        struct rlimit limit;
        MUST(getrlimit(RLIMIT_NOFILE, &limit));
        write_until_full(to.engine);
        arrive(from, 30000);
        exhaust(but);
        struct begun begun = begin(&context, from.engine, to.engine, 30000);
        MUST(setrlimit(RLIMIT_NOFILE, &limit));
        check_error(begun.outcome, EMFILE);
        CHECK_EQ(begun.outcome.bytes + begun.outcome.stranded, 30000);
        check_residue(begun.job, begun.outcome.stranded, begun.outcome.bytes);
        job_close(begun.job);
        context_close(&context);
    }
}

TEST("sluice_job_attempt() past the limit of a file's size is EFBIG, and ends no process")
{
    struct context context = context_open();
    struct pair from = unix_pair();
    int target = memory_file_of(0);
    struct rlimit limit = {.rlim_cur = 10000, .rlim_max = RLIM_INFINITY};
    arrive(from, 30000);
    signal(SIGXFSZ, SIG_DFL);
    MUST(setrlimit(RLIMIT_FSIZE, &limit));
    struct begun begun = begin(&context, from.engine, target, 30000);
    check_error(begun.outcome, EFBIG);
    CHECK_EQ(begun.outcome.failed, SLUICE_SIDE_TARGET);
    CHECK_EQ(begun.outcome.bytes, 10000);
    check_residue(begun.job, 20000, 10000);
    job_close(begun.job);
    check_contents(read_file(target), 10000, 0);
    context_close(&context);
}

TEST("sluice_job_attempt() to a file that is appended to writes what it has taken, and says EINVAL")
{
    struct context context = context_open();
    struct pair from = unix_pair();
    int target = memory_file_of(0);
    MUST(fcntl(target, F_SETFL, O_APPEND));
    arrive(from, 5000);
    struct begun begun = begin(&context, from.engine, target, 5000);
    check_error(begun.outcome, EINVAL);
    CHECK_EQ(begun.outcome.stranded, 0);
    CHECK_EQ(begun.job, 0);
    check_contents(read_file(target), begun.outcome.bytes, 0);
    end_writing(from.peer);
    check_contents(read_to_end(from.engine), 5000 - begun.outcome.bytes, begun.outcome.bytes);
    context_close(&context);
}

/*
 * Past pipe-user-pages-soft an unprivileged user's pipes are two pages small: an attempt fills and drains them more
 * often, and that is all.
 */
TEST("sluice_job_attempt() with small pipes moves the same bytes")
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    MUST(syscall(SYS_capset, &header, none));
    int held[HANDLES][2];
    int count = 0;
    for (; count < HANDLES; count++) {
        MUST(pipe2(held[count], O_CLOEXEC));
        own(held[count][0]);
        own(held[count][1]);
        if (fcntl(held[count][1], F_SETPIPE_SZ, MIB) == -1) break;
    }
    if (count == HANDLES) SKIP("pipes are never small here");
    struct context context = context_open();
    struct pair from = tcp_pair();
    int target = memory_file_of(0);
    arrive(from, 60000);
    check_over(begin(&context, from.engine, target, 60000), SLUICE_END_DONE, 60000);
    check_contents(read_file(target), 60000, 0);
    context_close(&context);
}

struct attempts {
    int32_t context;
    int source;
    int target;
};

/* Attempts, until the context is closed. */
static void *attempt_on(void *argument)
{
    const struct attempts *on = argument;
    for (;;) {
        struct sluice_outcome outcome;
        struct sluice_request work = request(SLUICE_SPLICE, -1, -1, -1);
        int32_t job = sluice_job_attempt(on->context, on->source, on->target, &work, &outcome);
        if (job == -EBADF) return NULL;
        CHECK_GE(job, 0);
        /* A handle may be stale by now. */
        if (job > 0) sluice_job_close(job);
    }
}

TEST("a context that is closed during attempts leaves no job behind")
{
    for (int i = 0; i < 20; i++) {
        struct context context = context_open();
        struct pair from = unix_pair(), to = unix_pair();
        struct flow feeder, sink;
        feeder_start(&feeder, from.peer, MIB);
        sink_start(&sink, to.peer);
        struct attempts attempts = {context.handle, from.engine, to.engine};
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, attempt_on, &attempts), 0);
        usleep((useconds_t)(i * 50));
        context_close(&context);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        await_census(0, 0);
        end_writing(to.engine);
        free(read_to_end(from.engine).bytes);
        flow_join(&feeder);
        flow_join(&sink);
        free(sink.contents.bytes);
    }
}

TEST("sluice_job_attempt() refuses what might wait, and what it can't do")
{
    struct context context = context_open();
    struct pair from = unix_pair(), to = unix_pair(), pipe = source_pipe();
    struct sluice_outcome outcome;
    int file = memory_file_of(100);
    arrive(from, 100);
    struct sluice_request splice = request(SLUICE_SPLICE, -1, 100, -1);
    static const struct sluice_request refused[] = {
        {.strategy = 0, .offset = -1, .length = 10, .target_offset = -1},
        {.strategy = SLUICE_BUFFERED, .offset = -1, .length = 10, .target_offset = -1},
        {.strategy = SLUICE_SPLICE, .offset = 0, .length = 10, .target_offset = -1},
        {.strategy = SLUICE_SPLICE, .flags = SLUICE_REQUEST_LAST, .offset = -1, .length = 10, .target_offset = -1},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct sluice_request work = refused[i];
        CHECK_EQ(sluice_job_attempt(context.handle, from.engine, to.engine, &work, &outcome), -EINVAL);
    }
    CHECK_EQ(sluice_job_attempt(context.handle, pipe.engine, to.engine, &splice, &outcome), -EAGAIN);
    CHECK_EQ(sluice_job_attempt(context.handle, file, to.engine, &splice, &outcome), -EAGAIN);
    CHECK_EQ(sluice_job_attempt(context.handle, from.engine, pipe.peer, &splice, &outcome), -EAGAIN);
    CHECK_EQ(sluice_job_attempt(context.handle, -1, to.engine, &splice, &outcome), -EBADF);
    CHECK_EQ(sluice_job_attempt(context.handle, from.engine, -1, &splice, &outcome), -EBADF);
    CHECK_EQ(sluice_job_attempt(0, from.engine, to.engine, &splice, &outcome), -EBADF);
    set_blocking(from.engine, true);
    CHECK_EQ(sluice_job_attempt(context.handle, from.engine, to.engine, &splice, &outcome), -EAGAIN);
    set_blocking(from.engine, false);
    set_blocking(to.engine, true);
    CHECK_EQ(sluice_job_attempt(context.handle, from.engine, to.engine, &splice, &outcome), -EAGAIN);
    end_writing(from.peer);
    check_contents(read_to_end(from.engine), 100, 0);
    context_close(&context);
}

TEST("sluice_job_attempt() leaves a file on a disk to the threads")
{
    struct context context = context_open();
    struct pair from = unix_pair();
    int target = file_of(0);
    struct sluice_outcome outcome;
    struct sluice_request work = request(SLUICE_SPLICE, -1, 100, 0);
    arrive(from, 100);
    int32_t answer = sluice_job_attempt(context.handle, from.engine, target, &work, &outcome);
    if (answer == 0) SKIP("the working directory is in memory");
    CHECK_EQ(answer, -EAGAIN);
    check_outcome(run(&context, from.engine, target, work), SLUICE_END_DONE, 100);
    context_close(&context);
}
