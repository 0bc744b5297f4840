/* Contexts and handles: who is told, what a close takes with it, what a stale number does. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "support.h"

static void await_readable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    test_note("waiting for the wake-up");
    MUST(poll(&entry, 1, -1));
    CHECK(entry.revents & POLLIN);
}

static void await_end(int wake)
{
    char byte;
    test_note("reading the wake fd to its end");
    for (ssize_t n; (n = read(wake, &byte, 1)) != 0;)
        if (n < 0) CHECK_EQ(errno, EAGAIN);
}

/* A job that waits on a full socket. */
static int32_t stalled_job(const struct context *context)
{
    struct pair pair = unix_pair();
    int32_t job = job_open(context, file_of(4 * MIB), pair.engine);
    job_start(job, request(SLUICE_SENDFILE, 0, 4 * MIB, -1));
    await_full(job, pair.engine);
    return job;
}

TEST("sluice_abi_fingerprint() is the header's")
{
    CHECK_EQ(sluice_abi_fingerprint(), SLUICE_ABI_FINGERPRINT);
}

TEST("the wake fd is readable after an outcome and not before")
{
    struct context context = context_open();
    int32_t job = job_open(&context, file_of(100), file_of(0));
    struct sluice_request work = request(SLUICE_BUFFERED, 0, 100, 0);
    struct sluice_outcome outcomes[4];
    CHECK(!is_readable(context.wake));
    CHECK_EQ(sluice_reap(context.handle, outcomes, 4), 0);
    CHECK_EQ(sluice_job_start(job, &work), 0);
    await_readable(context.wake);
    CHECK_EQ(sluice_reap(context.handle, outcomes, 4), 1);
    CHECK_EQ(outcomes[0].job, job);
    check_outcome(outcomes[0], SLUICE_END_DONE, 100);
    CHECK_EQ(sluice_reap(context.handle, outcomes, 4), 0);
    context_close(&context);
}

TEST("sluice_context_wake_fd() gives the descriptor away once")
{
    struct context context = context_open();
    CHECK_EQ(sluice_context_wake_fd(context.handle), -EBADF);
    context_close(&context);
}

TEST("outcomes go to the context that submitted")
{
    struct context first = context_open(), second = context_open();
    CHECK(first.handle != second.handle);
    CHECK_EQ(run(&second, file_of(10), file_of(0), request(SLUICE_BUFFERED, 0, 10, 0)).bytes, 10);
    CHECK(!is_readable(first.wake));
    struct sluice_outcome outcome;
    CHECK_EQ(sluice_reap(first.handle, &outcome, 1), 0);
    context_close(&first);
    context_close(&second);
}

TEST("sluice_reap() takes at most its capacity")
{
    struct context context = context_open();
    int source = file_of(10);
    for (int i = 0; i < 5; i++)
        job_start(job_open(&context, source, file_of(0)), request(SLUICE_BUFFERED, 0, 10, 0));
    struct sluice_outcome outcomes[3] = {0};
    CHECK_EQ(sluice_reap(context.handle, outcomes, 0), 0);
    test_note("reaping five outcomes, two at a time");
    for (int reaped = 0; reaped < 5;) {
        int32_t count = sluice_reap(context.handle, outcomes, 2);
        CHECK_GE(count, 0);
        CHECK_LE(count, 2);
        CHECK_EQ(outcomes[2].job, 0);
        reaped += count;
    }
    context_close(&context);
}

TEST("sluice_context_close() cancels running jobs and frees everything")
{
    struct context context = context_open();
    int32_t job = stalled_job(&context);
    int32_t idle = job_open(&context, file_of(10), file_of(0));
    CHECK_EQ(sluice_context_close(context.handle), 0);
    await_census(0, 0);
    CHECK_EQ(sluice_job_cancel(job), -EBADF);
    CHECK_EQ(sluice_job_close(idle), -EBADF);
    char byte;
    test_note("reading the wake fd to its end");
    while (MUST(read(context.wake, &byte, 1)) == 1)
        continue;
}

TEST("closing the wake fd cancels the context's jobs and frees everything")
{
    struct context context = context_open();
    int32_t job = stalled_job(&context);
    drop(context.wake);
    await_census(0, 0);
    CHECK_EQ(sluice_job_cancel(job), -EBADF);
    CHECK_EQ(sluice_context_close(context.handle), -EBADF);
}

TEST("closing the wake fd closes a context that never ran a job")
{
    struct context context = context_open();
    drop(context.wake);
    await_census(0, 0);
}

TEST("closing the lifeline closes the context though the wake fd stays open")
{
    for (int running = 0; running < 2; running++) {
        struct context context = context_open();
        int lifeline = own(sluice_context_lifeline(context.handle));
        CHECK(MUST(fcntl(lifeline, F_GETFD)) & FD_CLOEXEC);
        CHECK_EQ(sluice_context_lifeline(context.handle), -EEXIST);
        int duplicate = own(dup(lifeline));
        if (running) stalled_job(&context);
        drop(lifeline);
        check_outcome(run(&context, file_of(10), file_of(0), request(SLUICE_BUFFERED, 0, 10, 0)), SLUICE_END_DONE, 10);
        drop(duplicate);
        await_census(0, 0);
        CHECK_EQ(sluice_context_close(context.handle), -EBADF);
        await_end(context.wake);
        drop(context.wake);
    }
}

TEST("a context without a reader does not disturb another")
{
    struct context gone = context_open(), kept = context_open();
    stalled_job(&gone);
    drop(gone.wake);
    await_census(1, 0);
    check_outcome(run(&kept, file_of(10), file_of(0), request(SLUICE_BUFFERED, 0, 10, 0)), SLUICE_END_DONE, 10);
    context_close(&kept);
}

/* Each is closed as soon as it has been opened, while others stay open. */
TEST("a stale handle stays wrong however often its table is used")
{
    enum { OTHERS = 300, ROUNDS = 5000 };
    struct context context = context_open();
    struct pair end = unix_pair();
    int file = file_of(10);
    int32_t jobs[OTHERS], pairs[OTHERS];
    for (int i = 0; i < OTHERS; i++) {
        jobs[i] = job_open(&context, file, end.engine);
        pairs[i] = sluice_pair_open(context.handle, end.engine, end.peer);
    }
    int32_t job = jobs[OTHERS / 2], pair = pairs[OTHERS / 2];
    struct sluice_pair_progress progress;
    int64_t bytes;
    job_close(job);
    CHECK_EQ(sluice_pair_close(pair, 0), 0);
    for (int i = 0; i < ROUNDS; i++) {
        int32_t other = job_open(&context, file, end.engine);
        CHECK_EQ(sluice_job_progress(job, &bytes), -EBADF);
        job_close(other);
        other = sluice_pair_open(context.handle, end.engine, end.peer);
        CHECK_GE(other, 1);
        CHECK_EQ(sluice_pair_progress(pair, &progress), -EBADF);
        CHECK_EQ(sluice_pair_close(other, 0), 0);
    }
    context_close(&context);
}

static void check_stale_job(int32_t job)
{
    struct sluice_request work = request(SLUICE_BUFFERED, 0, 1, 0);
    int64_t bytes;
    CHECK_EQ(sluice_job_start(job, &work), -EBADF);
    CHECK_EQ(sluice_job_cancel(job), -EBADF);
    CHECK_EQ(sluice_job_progress(job, &bytes), -EBADF);
    CHECK_EQ(sluice_job_close(job), -EBADF);
}

static void check_stale_context(int32_t context)
{
    struct sluice_outcome outcome;
    CHECK_EQ(sluice_context_wake_fd(context), -EBADF);
    CHECK_EQ(sluice_context_lifeline(context), -EBADF);
    CHECK_EQ(sluice_context_close(context), -EBADF);
    CHECK_EQ(sluice_job_open(context, 0, 1), -EBADF);
    CHECK_EQ(sluice_reap(context, &outcome, 1), -EBADF);
}

TEST("handles that were never given out are -EBADF")
{
    static const int32_t strangers[] = {0, 1, -1, 12345, 1 << 20, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        check_stale_job(strangers[i]);
        check_stale_context(strangers[i]);
    }
}

TEST("handles of closed jobs and contexts stay -EBADF when their slots are used again")
{
    enum { COUNT = 1000 };
    static int32_t jobs[COUNT];
    struct context context = context_open();
    int source = file_of(1), target = file_of(0);
    for (int i = 0; i < COUNT; i++) {
        jobs[i] = job_open(&context, source, target);
        if (i > 0) CHECK(jobs[i] != jobs[i - 1]);
        job_close(jobs[i]);
    }
    int32_t live = job_open(&context, source, target);
    for (int i = 0; i < COUNT; i++)
        check_stale_job(jobs[i]);
    job_close(live);
    struct context old = context;
    context_close(&context);
    context = context_open();
    check_stale_context(old.handle);
    context_close(&context);
}

TEST("sluice_job_open() refuses what is no descriptor")
{
    struct context context = context_open();
    int file = file_of(1);
    CHECK_EQ(sluice_job_open(context.handle, -1, file), -EBADF);
    CHECK_EQ(sluice_job_open(context.handle, file, -1), -EBADF);
    CHECK_EQ(sluice_job_open(context.handle, file, FD_LIMIT - 1), -EBADF);
    await_census(1, 0);
    context_close(&context);
}

TEST("sluice_job_start() refuses unknown strategies and running jobs")
{
    struct context context = context_open();
    struct sluice_request work = request(0, 0, 1, 0);
    int32_t idle = job_open(&context, file_of(1), file_of(0));
    CHECK_EQ(sluice_job_start(idle, &work), -EINVAL);
    work.strategy = 1000;
    CHECK_EQ(sluice_job_start(idle, &work), -EINVAL);
    int32_t running = stalled_job(&context);
    work.strategy = SLUICE_BUFFERED;
    CHECK_EQ(sluice_job_start(running, &work), -EBUSY);
    context_close(&context);
}

TEST("a job runs attempt after attempt")
{
    struct context context = context_open();
    int target = file_of(0);
    int32_t job = job_open(&context, file_of(300), target);
    static const uint32_t strategies[] = {SLUICE_BUFFERED, SLUICE_COPY_FILE_RANGE, SLUICE_MAPPED};
    for (int i = 0; i < 3; i++) {
        job_start(job, request(strategies[i], i * 100, 100, i * 100));
        check_outcome(next_outcome(&context), SLUICE_END_DONE, 100);
        CHECK_EQ(job_progress(job), 100);
    }
    check_contents(read_file(target), 300, 0);
    context_close(&context);
}

TEST("sluice_job_close() of a running job leaves no outcome and frees it")
{
    struct context context = context_open();
    job_close(stalled_job(&context));
    await_census(1, 0);
    struct sluice_outcome outcome;
    CHECK_EQ(sluice_reap(context.handle, &outcome, 1), 0);
    context_close(&context);
}
