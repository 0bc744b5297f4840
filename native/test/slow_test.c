/* Files whose filesystem answers late, or not at all: what a daemon of FUSE or a server can do to whoever asks it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuse.h"
#include "slow.h"
#include "support.h"

/* --- pages that can't be read --- */

enum { UNREADABLE = MIB + 3 * 4 * KIB, FROM = 12345 };

static void check_unreadable(uint32_t strategy, struct pair to)
{
    struct context context = context_open();
    int source = slow_file("f", O_RDONLY);
    struct flow sink;
    if (to.peer >= 0) sink_start(&sink, to.peer);
    struct sluice_outcome outcome = run(&context, source, to.engine, request(strategy, FROM, 2 * MIB, -1));
    CHECK_EQ(outcome.bytes, UNREADABLE - FROM);
    check_error(outcome, EIO);
    CHECK_EQ(outcome.failed, SLUICE_SIDE_SOURCE);
    if (to.peer >= 0) {
        end_writing(to.engine);
        flow_join(&sink);
    } else {
        sink.contents = read_file(to.engine);
    }
    check_contents(sink.contents, UNREADABLE - FROM, FROM);
    drop(source);
    context_close(&context);
}

TEST("an unreadable page is EIO behind the bytes before it")
{
    char order[32];
    slow_mount();
    snprintf(order, sizeof order, "fail %d", UNREADABLE);
    slow_order(order);
    for (int i = 0; i < 2; i++) {
        uint32_t strategy = i == 0 ? SLUICE_MAPPED : SLUICE_BUFFERED;
        check_unreadable(strategy, unix_pair());
        check_unreadable(strategy, tcp_pair());
        check_unreadable(strategy, target_pipe());
        check_unreadable(strategy, (struct pair){.engine = file_of(0), .peer = -1});
    }
}

/* --- a daemon that does not answer: nobody waits for it but who has to --- */

/* Data of a connection that nobody reads, and of one that somebody does. */
static int32_t start_stalled(const struct context *context, const char *name, struct pair *to)
{
    *to = unix_pair();
    int source = slow_file(name, O_RDONLY);
    int32_t job = job_open(context, source, to->engine);
    drop(source);
    job_start(job, request(SLUICE_BUFFERED, 0, FUSE_FILE_BYTES, -1));
    await_full(job, to->engine);
    return job;
}

/* Each by a thread of its own, if need be. */
static void check_others_go_on(const struct context *context)
{
    for (int i = 0; i < 8; i++) {
        struct pair to = unix_pair();
        test_note("moving another file meanwhile");
        check_outcome(run(context, file_of(1000), to.engine, request(SLUICE_SENDFILE, 0, 1000, -1)), SLUICE_END_DONE,
                      1000);
        end_writing(to.engine);
        check_contents(read_to_end(to.peer), 1000, 0);
    }
    check_outcome(run(context, file_of(1000), file_of(0), request(SLUICE_BUFFERED, 0, 1000, -1)), SLUICE_END_DONE,
                  1000);
}

TEST("a close that the daemon doesn't answer holds up nobody when a job is abandoned")
{
    slow_mount();
    struct context context = context_open();
    int32_t jobs[6];
    struct pair to;
    for (int i = 0; i < 6; i++)
        jobs[i] = start_stalled(&context, "f", &to);
    slow_order("hold flush");
    test_note("closing the jobs");
    for (int i = 0; i < 6; i++)
        job_close(jobs[i]);
    check_others_go_on(&context);
    slow_await("flush", 1);
    context_close(&context);
    slow_order("let flush");
}

TEST("a close that the daemon doesn't answer holds up nobody when an isolate has gone")
{
    slow_mount();
    struct context context = context_open(), other = context_open();
    struct pair to;
    for (int i = 0; i < 6; i++)
        start_stalled(&context, "f", &to);
    slow_order("hold flush");
    drop(context.wake); /* its reader is gone */
    check_others_go_on(&other);
    slow_await("flush", 1);
    slow_order("let flush");
    test_note("waiting until the context has gone");
    while (sluice_context_close(context.handle) != -EBADF)
        usleep(1000);
    context_close(&other);
}

TEST("a close that the daemon doesn't answer holds up nobody at the end of a transfer")
{
    slow_mount();
    struct context context = context_open();
    int32_t jobs[4];
    for (int i = 0; i < 4; i++) {
        int source = slow_file("f", O_RDONLY);
        jobs[i] = job_open(&context, source, unix_pair().engine);
        drop(source);
    }
    slow_order("hold flush");
    for (int i = 0; i < 4; i++) {
        struct sluice_request last = request(SLUICE_SENDFILE, 0, 1000, -1);
        last.flags = SLUICE_REQUEST_LAST;
        job_start(jobs[i], last);
    }
    slow_await("flush", 1);
    struct context other = context_open();
    check_others_go_on(&other);
    slow_order("let flush");
    for (int i = 0; i < 4; i++)
        check_outcome(next_outcome(&context), SLUICE_END_DONE, 1000);
    context_close(&context);
    context_close(&other);
}

static void check_unanswered(const char *operation, uint32_t strategy)
{
    char order[32];
    struct context context = context_open(), other = context_open();
    snprintf(order, sizeof order, "hold %s", operation);
    slow_order(order);
    int32_t jobs[5];
    struct pair to[5];
    for (int i = 0; i < 5; i++) {
        const char name[] = {(char)('a' + i), 0};
        int source = slow_file(name, O_RDONLY);
        to[i] = unix_pair();
        jobs[i] = job_open(&context, source, to[i].engine);
        drop(source);
        job_start(jobs[i], request(strategy, 0, 1000, -1));
    }
    check_others_go_on(&other);
    snprintf(order, sizeof order, "let %s", operation);
    slow_order(order);
    for (int i = 0; i < 5; i++)
        check_outcome(next_outcome(&context), SLUICE_END_DONE, 1000);
    for (int i = 0; i < 5; i++) {
        job_close(jobs[i]);
        end_writing(to[i].engine);
        check_contents(read_to_end(to[i].peer), 1000, 0);
    }
    context_close(&context);
    context_close(&other);
}

static const uint32_t from_files[] = {SLUICE_SENDFILE, SLUICE_SPLICE, SLUICE_MAPPED, SLUICE_BUFFERED};

TEST("attributes that the daemon doesn't tell hold up nobody else")
{
    slow_mount();
    for (size_t i = 0; i < sizeof from_files / sizeof *from_files; i++)
        check_unanswered("getattr", from_files[i]);
}

TEST("reads that the daemon doesn't answer hold up nobody else")
{
    slow_mount();
    for (size_t i = 0; i < sizeof from_files / sizeof *from_files; i++)
        check_unanswered("read", from_files[i]);
}

TEST("a transfer doesn't ask a daemon for its filesystem")
{
    slow_mount();
    for (size_t i = 0; i < sizeof from_files / sizeof *from_files; i++)
        check_unanswered("statfs", from_files[i]);
    struct sluice_inspection inspection = {0};
    int file = slow_file("f", O_RDONLY);
    CHECK_EQ(sluice_inspect(file, &inspection), 0);
    CHECK_EQ(inspection.filesystem, 0x65735546);
    CHECK_EQ(sluice_closes_quickly(file), 0);
    CHECK_EQ(slow_count("statfs"), 0);
    drop(file);
}

TEST("a small body isn't tried on the calling thread where a daemon may be asked")
{
    slow_mount();
    int file = slow_file("f", O_RDONLY);
    uint8_t bytes[1000];
    CHECK_EQ(pread(file, bytes, sizeof bytes, 0), sizeof bytes); /* it is in memory now */
    struct pair to = unix_pair();
    CHECK_EQ(attempt(file, to.engine, request(SLUICE_SENDFILE, 0, 1000, -1)).end, SLUICE_END_BLOCKED);
    CHECK_EQ(attempt(file, to.engine, request(SLUICE_BUFFERED, 0, 1000, -1)).end, SLUICE_END_BLOCKED);
    drop(file);
}

TEST("a close that the daemon doesn't answer holds up nobody when a duplicate is closed")
{
    slow_mount();
    struct context context = context_open();
    int file = slow_file("f", O_RDONLY);
    int32_t copy = sluice_duplicate(file);
    CHECK_GE(copy, 0);
    slow_order("hold flush");
    test_note("closing the duplicate");
    CHECK_EQ(sluice_close(copy), 0);
    CHECK_EQ(sluice_close(-1), -EBADF);
    check_others_go_on(&context);
    slow_await("flush", 1);
    slow_order("let flush");
    drop(file);
    context_close(&context);
}

TEST("a close that the daemon doesn't answer holds up nobody when a lease is released")
{
    slow_mount();
    struct context context = context_open();
    int file = slow_file("f", O_RDONLY);
    int32_t lease = sluice_lease_open(context.handle, file, SLUICE_LEASE_READ, 0);
    if (lease < 0) SKIP("no leases on FUSE: %s", strerror(-lease));
    slow_order("hold flush");
    test_note("releasing the lease");
    CHECK_EQ(sluice_lease_release(lease), SLUICE_LEASE_HELD);
    check_others_go_on(&context);
    slow_await("flush", 1);
    slow_order("let flush");
    drop(file);
    context_close(&context);
}
