/* sluice_attempt(): on the calling thread, so it may wait for nothing. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

static const uint32_t strategies[] = {SLUICE_SENDFILE, SLUICE_BUFFERED};
enum { STRATEGIES = 2 };

static void check_peer_gets(struct pair pair, int64_t bytes, int64_t offset)
{
    end_writing(pair.engine);
    check_contents(read_to_end(pair.peer), bytes, offset);
}

TEST("sluice_attempt() sends a small file that is in memory")
{
    for (int i = 0; i < STRATEGIES; i++) {
        for (int tcp = 0; tcp < 2; tcp++) {
            struct pair pair = tcp ? tcp_pair() : unix_pair();
            struct sluice_outcome outcome = attempt(file_of(5003), pair.engine, request(strategies[i], 3, 5000, -1));
            check_outcome(outcome, SLUICE_END_DONE, 5000);
            CHECK_GE(outcome.syscalls, 1);
            CHECK_EQ(outcome.waits, 0);
            check_peer_gets(pair, 5000, 3);
        }
    }
}

TEST("sluice_attempt() starts no thread and holds nothing")
{
    struct pair pair = unix_pair();
    check_outcome(attempt(file_of(100), pair.engine, request(SLUICE_SENDFILE, 0, 100, -1)), SLUICE_END_DONE, 100);
    struct sluice_census census;
    CHECK_EQ(sluice_census(&census), 0);
    CHECK_EQ(census.workers + census.blocking_workers + census.jobs + census.contexts, 0);
}

TEST("sluice_attempt() into a full socket is blocked with its exact bytes")
{
    for (int i = 0; i < STRATEGIES; i++) {
        struct pair pair = unix_pair();
        int source = file_of(SLUICE_INLINE_BYTES);
        struct sluice_outcome outcome =
            attempt(source, pair.engine, request(strategies[i], 0, SLUICE_INLINE_BYTES, -1));
        CHECK_EQ(outcome.end, SLUICE_END_BLOCKED);
        CHECK_GE(outcome.bytes, 1);
        CHECK(outcome.bytes < SLUICE_INLINE_BYTES);
        int64_t moved = outcome.bytes;
        while (outcome.bytes > 0) { /* what was left after the first may still find a little room */
            outcome = attempt(source, pair.engine, request(strategies[i], moved, SLUICE_INLINE_BYTES - moved, -1));
            CHECK_EQ(outcome.end, SLUICE_END_BLOCKED);
            moved += outcome.bytes;
        }
        check_peer_gets(pair, moved, 0);
    }
}

TEST("sluice_attempt() leaves the rest to the engine")
{
    struct context context = context_open();
    for (int i = 0; i < STRATEGIES; i++) {
        struct pair pair = unix_pair();
        int source = file_of(200000);
        int64_t moved = attempt(source, pair.engine, request(strategies[i], 0, 200000, -1)).bytes;
        CHECK(moved < 200000);
        int32_t job = job_open(&context, source, pair.engine);
        job_start(job, request(strategies[i], moved, 200000 - moved, -1));
        struct flow sink;
        sink_start(&sink, pair.peer);
        check_outcome(next_outcome(&context), SLUICE_END_DONE, 200000 - moved);
        job_close(job);
        end_writing(pair.engine);
        flow_join(&sink);
        check_contents(sink.contents, 200000, 0);
    }
    context_close(&context);
}

TEST("sluice_attempt() never waits for a socket in blocking mode")
{
    for (int i = 0; i < STRATEGIES; i++) {
        struct pair pair = unix_pair();
        write_until_full(pair.engine);
        set_blocking(pair.engine, true);
        struct sluice_outcome outcome = attempt(file_of(100000), pair.engine, request(strategies[i], 0, 100000, -1));
        CHECK_EQ(outcome.end, SLUICE_END_BLOCKED);
        CHECK_EQ(outcome.bytes, 0);
    }
}

TEST("sluice_attempt() leaves pages that are not in memory to the engine")
{
    for (int i = 0; i < STRATEGIES; i++) {
        int source = file_of(100000);
        MUST(fsync(source));
        if (posix_fadvise(source, 0, 0, POSIX_FADV_DONTNEED) != 0) SKIP("pages can't be dropped here");
        struct pair pair = unix_pair();
        struct sluice_outcome outcome = attempt(source, pair.engine, request(strategies[i], 0, 5000, -1));
        if (outcome.end == SLUICE_END_DONE) SKIP("the filesystem keeps its pages");
        CHECK_EQ(outcome.end, SLUICE_END_BLOCKED);
        CHECK_EQ(outcome.bytes, 0);
    }
}

TEST("sluice_attempt() finds the end of a file that is shorter than it was")
{
    for (int i = 0; i < STRATEGIES; i++) {
        struct pair pair = unix_pair();
        int source = file_of(1000);
        int64_t moved = attempt(source, pair.engine, request(strategies[i], 0, 1500, -1)).bytes;
        CHECK_EQ(moved, 1000);
        struct sluice_outcome outcome = attempt(source, pair.engine, request(strategies[i], moved, 500, -1));
        check_outcome(outcome, SLUICE_END_EOF, 0);
    }
}

TEST("sluice_attempt() with a length of 0 is done")
{
    for (int i = 0; i < STRATEGIES; i++) {
        struct pair pair = unix_pair();
        check_outcome(attempt(file_of(10), pair.engine, request(strategies[i], 0, 0, -1)), SLUICE_END_DONE, 0);
    }
}

TEST("sluice_attempt() to a closed peer is EPIPE")
{
    signal(SIGPIPE, SIG_IGN); /* as every runtime has it: the calling thread's mask is not ours to change */
    for (int i = 0; i < STRATEGIES; i++) {
        struct pair pair = unix_pair();
        drop(pair.peer);
        struct sluice_outcome outcome = attempt(file_of(1000), pair.engine, request(strategies[i], 0, 1000, -1));
        check_error(outcome, EPIPE);
        CHECK_EQ(outcome.bytes, 0);
    }
}

TEST("sluice_attempt() refuses what it can't do without waiting")
{
    struct pair pair = unix_pair();
    int source = file_of(10);
    struct sluice_outcome outcome;
    static const struct sluice_request refused[] = {
        {.strategy = 0, .offset = 0, .length = 10, .target_offset = -1},
        {.strategy = 1000, .offset = 0, .length = 10, .target_offset = -1},
        {.strategy = SLUICE_SPLICE, .offset = 0, .length = 10, .target_offset = -1},
        {.strategy = SLUICE_SENDFILE, .offset = -1, .length = 10, .target_offset = -1},
        {.strategy = SLUICE_SENDFILE, .offset = 0, .length = -1, .target_offset = -1},
        {.strategy = SLUICE_SENDFILE, .offset = 0, .length = SLUICE_INLINE_BYTES + 1, .target_offset = -1},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct sluice_request work = refused[i];
        CHECK_EQ(sluice_attempt(source, pair.engine, &work, &outcome, NULL, 0), -EINVAL);
    }
    struct sluice_request work = request(SLUICE_SENDFILE, 0, 10, -1);
    check_error(attempt(source, -1, work), EBADF);
}

TEST("sluice_attempt() keeps the source's position")
{
    for (int i = 0; i < STRATEGIES; i++) {
        struct pair pair = unix_pair();
        int source = file_of(1000);
        MUST(lseek(source, 7, SEEK_SET));
        check_outcome(attempt(source, pair.engine, request(strategies[i], 0, 1000, -1)), SLUICE_END_DONE, 1000);
        CHECK_EQ(lseek(source, 0, SEEK_CUR), 7);
    }
}

TEST("sluice_read_now() reads what is in memory, to the end of the file")
{
    uint8_t *bytes = malloc(200);
    int source = file_of(100);
    struct sluice_request asked = request(0, 10, 50, -1);
    CHECK_EQ(sluice_read_now(source, &asked, bytes), 50);
    asked = request(0, 90, 150, -1);
    CHECK_EQ(sluice_read_now(source, &asked, bytes + 50), 10);
    asked = request(0, 100, 1, -1);
    CHECK_EQ(sluice_read_now(source, &asked, bytes + 60), 0);
    check_pattern(bytes, 50, 10);
    check_pattern(bytes + 50, 10, 90);
    free(bytes);
}

TEST("sluice_read_now() refuses what can't be read, or has no positions")
{
    char byte;
    struct pair pair = unix_pair();
    struct sluice_request asked = request(0, 0, 1, -1);
    CHECK(sluice_read_now(pair.engine, &asked, &byte) < 0);
    CHECK_EQ(sluice_read_now(-1, &asked, &byte), -EBADF);
    CHECK(sluice_read_now(own(open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), &asked, &byte) < 0);
    asked = request(0, -1, 1, -1);
    CHECK_EQ(sluice_read_now(file_of(100), &asked, &byte), -EINVAL);
    asked = request(0, 0, SLUICE_INLINE_BYTES + 1, -1);
    CHECK_EQ(sluice_read_now(file_of(100), &asked, &byte), -EINVAL);
}
