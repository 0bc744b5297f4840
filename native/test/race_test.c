/* Many threads at once. The thread sanitizer looks on. */
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

static pthread_barrier_t start_line;

static void join_all(pthread_t *threads, int count)
{
    for (int i = 0; i < count; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* One isolate: its own context, job after job into a socket pair that it reads itself. */
static void *isolate_main(void *argument)
{
    enum { JOBS = 50, SIZE = 20000 };
    static const uint32_t strategies[] = {SLUICE_SENDFILE, SLUICE_SPLICE, SLUICE_MAPPED, SLUICE_BUFFERED};
    uintptr_t number = (uintptr_t)argument;
    int source = file_of(SIZE + JOBS);
    struct pair pair = unix_pair();
    uint8_t *bytes = malloc(SIZE);
    pthread_barrier_wait(&start_line);
    struct context context = context_open();
    for (int i = 0; i < JOBS; i++) {
        struct sluice_request work = request(strategies[(number + (unsigned)i) % 4], i, SIZE, -1);
        check_outcome(run(&context, source, pair.engine, work), SLUICE_END_DONE, SIZE);
        for (size_t at = 0; at < SIZE;)
            at += (size_t)MUST(read(pair.peer, bytes + at, SIZE - at));
        check_pattern(bytes, SIZE, i);
    }
    context_close(&context);
    free(bytes);
    return NULL;
}

TEST("eight threads with contexts of their own run 50 jobs each")
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    pthread_barrier_init(&start_line, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, isolate_main, (void *)i), 0);
    join_all(threads, THREADS);
    pthread_barrier_destroy(&start_line);
}

/* Everybody works on everybody's handles: any answer but a wrong one is right. */
enum { SLOTS = 16, ROUNDS = 1500 };
static _Atomic int32_t slots[SLOTS];
static _Atomic bool stop;
static struct context shared;
static int shared_source, shared_target;

static void check_answer(int32_t answer)
{
    if (answer < 0 && answer != -EBUSY) CHECK_EQ(answer, -EBADF);
}

static void *opener_main(void *argument)
{
    static const uint32_t strategies[] = {SLUICE_SENDFILE, SLUICE_SPLICE, SLUICE_MAPPED, SLUICE_BUFFERED};
    unsigned seed = (unsigned)(uintptr_t)argument;
    for (int i = 0; i < ROUNDS; i++) {
        struct sluice_request work = request(strategies[i % 4], 0, 64 * KIB, -1);
        int32_t job = sluice_job_open(shared.handle, shared_source, shared_target);
        CHECK_GE(job, 1);
        CHECK_EQ(sluice_job_start(job, &work), 0);
        int32_t old = atomic_exchange(&slots[rand_r(&seed) % SLOTS], job);
        if (old) check_answer(sluice_job_close(old));
    }
    return NULL;
}

static void *meddler_main(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    struct sluice_request work = request(SLUICE_BUFFERED, 0, 64 * KIB, -1);
    int64_t bytes;
    while (!atomic_load(&stop)) {
        int32_t job = atomic_load(&slots[rand_r(&seed) % SLOTS]);
        switch (rand_r(&seed) % 4) {
        case 0: check_answer(sluice_job_cancel(job)); break;
        case 1: check_answer(sluice_job_progress(job, &bytes)); break;
        case 2: check_answer(sluice_job_start(job, &work)); break;
        default: sched_yield();
        }
    }
    return NULL;
}

static void *reaper_main(void *argument)
{
    (void)argument;
    struct sluice_outcome outcomes[8];
    while (!atomic_load(&stop)) {
        int32_t count = sluice_reap(shared.handle, outcomes, 8);
        CHECK_GE(count, 0);
        for (int32_t i = 0; i < count; i++) {
            CHECK_LE(outcomes[i].end, SLUICE_END_ERROR);
            CHECK_GE(outcomes[i].bytes, 0);
            CHECK_LE(outcomes[i].bytes, 64 * KIB);
        }
        if (count == 0) sched_yield();
    }
    return NULL;
}

static void *reader_main(void *argument)
{
    struct pair *pair = argument;
    static uint8_t bytes[64 * KIB];
    while (MUST(read(pair->peer, bytes, sizeof bytes)) > 0)
        continue;
    return NULL;
}

TEST("open, start, cancel, progress, reap and close race without harm")
{
    struct pair pair = unix_pair();
    shared = context_open();
    shared_source = file_of(64 * KIB);
    shared_target = pair.engine;
    pthread_t reader, openers[2], others[4];
    CHECK_EQ(pthread_create(&reader, NULL, reader_main, &pair), 0);
    for (uintptr_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&openers[i], NULL, opener_main, (void *)(i + 1)), 0);
    for (uintptr_t i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&others[i], NULL, meddler_main, (void *)(i + 11)), 0);
    CHECK_EQ(pthread_create(&others[3], NULL, reaper_main, NULL), 0);
    join_all(openers, 2);
    atomic_store(&stop, true);
    join_all(others, 4);
    context_close(&shared);
    await_census(0, 0);
    end_writing(pair.engine);
    CHECK_EQ(pthread_join(reader, NULL), 0);
}

static void *closer_main(void *argument)
{
    const struct context *context = argument;
    pthread_barrier_wait(&start_line);
    CHECK_EQ(sluice_context_close(context->handle), 0);
    return NULL;
}

TEST("a context may be closed while its jobs are being started")
{
    int source = file_of(64 * KIB), target = file_of(0);
    pthread_barrier_init(&start_line, NULL, 2);
    for (int i = 0; i < 200; i++) {
        struct context context = context_open();
        pthread_t closer;
        CHECK_EQ(pthread_create(&closer, NULL, closer_main, &context), 0);
        pthread_barrier_wait(&start_line);
        for (int n = 0; n < 8; n++) {
            struct sluice_request work = request(SLUICE_BUFFERED, 0, 64 * KIB, 0);
            int32_t job = sluice_job_open(context.handle, source, target);
            if (job > 0)
                check_answer(sluice_job_start(job, &work));
            else
                CHECK_EQ(job, -EBADF);
        }
        CHECK_EQ(pthread_join(closer, NULL), 0);
        drop(context.wake);
    }
    pthread_barrier_destroy(&start_line);
    await_census(0, 0);
}
