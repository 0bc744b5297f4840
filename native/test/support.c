#include "support.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct context context_open(void)
{
    struct context context = {.handle = sluice_context_open()};
    CHECK_GE(context.handle, 1);
    context.wake = sluice_context_wake_fd(context.handle);
    CHECK_GE(context.wake, 0);
    own(context.wake);
    return context;
}

void context_close(struct context *context)
{
    CHECK_EQ(sluice_context_close(context->handle), 0);
    drop(context->wake);
}

struct sluice_request request(uint32_t strategy, int64_t offset, int64_t length, int64_t target_offset)
{
    return (struct sluice_request){
        .strategy = strategy, .offset = offset, .length = length, .target_offset = target_offset};
}

int32_t job_open(const struct context *context, int source, int target)
{
    int32_t job = sluice_job_open(context->handle, source, target);
    CHECK_GE(job, 1);
    return job;
}

void job_start(int32_t job, struct sluice_request request)
{
    CHECK_EQ(sluice_job_start(job, &request), 0);
}

void job_close(int32_t job)
{
    CHECK_EQ(sluice_job_close(job), 0);
}

int64_t job_progress(int32_t job)
{
    int64_t bytes = -1;
    CHECK_EQ(sluice_job_progress(job, &bytes), 0);
    CHECK_GE(bytes, 0);
    return bytes;
}

struct sluice_outcome next_outcome(const struct context *context)
{
    struct sluice_outcome outcome;
    for (;;) {
        int32_t count = sluice_reap(context->handle, &outcome, 1);
        if (count == 1) return outcome;
        CHECK_EQ(count, 0);
        test_note("waiting for an outcome");
        struct pollfd entry = {.fd = context->wake, .events = POLLIN};
        if (poll(&entry, 1, -1) == -1) CHECK_EQ(errno, EINTR);
        CHECK(!(entry.revents & ~POLLIN));
        char wakes[64];
        if (entry.revents && read(context->wake, wakes, sizeof wakes) == -1) CHECK_EQ(errno, EAGAIN);
    }
}

struct sluice_outcome run(const struct context *context, int source, int target, struct sluice_request request)
{
    int32_t job = job_open(context, source, target);
    job_start(job, request);
    struct sluice_outcome outcome = next_outcome(context);
    CHECK_EQ(outcome.job, job);
    job_close(job);
    return outcome;
}

struct sluice_outcome attempt(int source, int target, struct sluice_request request)
{
    struct sluice_outcome outcome;
    memset(&outcome, 0xee, sizeof outcome);
    CHECK_EQ(sluice_attempt(source, target, &request, &outcome, NULL, 0), 0);
    return outcome;
}

void check_outcome(struct sluice_outcome outcome, uint32_t end, int64_t bytes)
{
    if (outcome.end != end || outcome.bytes != bytes)
        FAIL("outcome is end %u, %lld bytes, error %d (%s), not end %u, %lld bytes", outcome.end,
             (long long)outcome.bytes, outcome.error, strerror(outcome.error), end, (long long)bytes);
    CHECK_EQ(outcome.error, 0);
    CHECK_EQ(outcome.failed, SLUICE_SIDE_NONE);
    if (end != SLUICE_END_CANCELLED) CHECK_EQ(outcome.stranded, 0);
}

void check_error(struct sluice_outcome outcome, int error)
{
    if (outcome.end != SLUICE_END_ERROR || outcome.error != error)
        FAIL("outcome is end %u, %lld bytes, error %d (%s), not error %d (%s)", outcome.end, (long long)outcome.bytes,
             outcome.error, strerror(outcome.error), error, strerror(error));
}

void await_full(int32_t job, int target)
{
    test_note("waiting for the target to be full");
    while (job_progress(job) == 0 || is_writable(target))
        usleep(500);
}

int64_t await_stalled(int32_t job, int target)
{
    int64_t before, after = -1;
    do {
        await_full(job, target);
        before = after;
        usleep(20000);
        after = job_progress(job);
    } while (before != after);
    return after;
}

void await_census(uint32_t contexts, uint32_t jobs)
{
    for (;;) {
        struct sluice_census census;
        CHECK_EQ(sluice_census(&census), 0);
        if (census.contexts == contexts && census.jobs == jobs) return;
        test_note("waiting for %u contexts and %u jobs, there are %u and %u", contexts, jobs, census.contexts,
                  census.jobs);
        usleep(1000);
    }
}
