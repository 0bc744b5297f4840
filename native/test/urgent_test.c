/*
 * Urgent data in a stream: splice(2) stops at its mark, and says of that what it says of an empty queue or of an end.
 * Whatever the mechanism, what arrives is what recv(2) gives, and its end is the connection's.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

/* Even, so no byte of the pattern. */
enum { MARK = 0x20, PIECE = 5000, LARGE = 48 * KIB, FLOOD = 3 * MIB };

/* --- the peer --- */

static void mark(int fd)
{
    const char byte = MARK;
    ssize_t n;
    while ((n = send(fd, &byte, 1, MSG_OOB)) == -1 && errno == EAGAIN)
        usleep(500);
    if (n == -1 && errno == EOPNOTSUPP) SKIP("Unix sockets have urgent data since Linux 5.15");
    CHECK_EQ(n, 1);
}

static void reset(int fd)
{
    struct linger linger = {.l_onoff = 1};
    MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    drop(fd);
}

/* '-' is a piece of the stream, '!' urgent data; answers how many bytes of the pattern there are. */
static int64_t play(int fd, const char *score)
{
    int64_t at = 0;
    for (; *score; score++) {
        if (*score == '!') {
            mark(fd);
        } else {
            write_pattern(fd, PIECE, at);
            at += PIECE;
        }
    }
    return at;
}

/* --- what arrives, by one mechanism after another --- */

struct stream {
    const char *name;
    open_pair *open;
};

static const struct stream streams[] = {{"TCP", tcp_pair}, {"a Unix socket", unix_pair}};

enum last { STAYS, FIN, RST };

struct scene {
    const struct stream *stream;
    const char *score;
    enum last last;
    bool inlined;
    bool blocking;
};

struct seen {
    struct contents contents;
    uint32_t end;
    int error;
};

static struct pair staged(const struct scene *scene)
{
    struct pair from = scene->stream->open();
    int inlined = scene->inlined;
    MUST(setsockopt(from.engine, SOL_SOCKET, SO_OOBINLINE, &inlined, sizeof inlined));
    set_blocking(from.engine, scene->blocking);
    play(from.peer, scene->score);
    if (scene->last == FIN) end_writing(from.peer);
    if (scene->last == RST) {
        reset(from.peer);
        test_note("waiting for the reset to arrive");
        struct pollfd entry = {.fd = from.engine};
        MUST(poll(&entry, 1, -1));
    }
    return from;
}

typedef struct seen way(const struct context *context, const struct scene *scene, uint32_t strategy, int64_t length);

/* Ends by the scene, or by the length. */
static struct seen by_job(const struct context *context, const struct scene *scene, uint32_t strategy, int64_t length,
                          struct pair to)
{
    struct pair from = staged(scene);
    struct sluice_outcome outcome = run(context, from.engine, to.engine, request(strategy, -1, length, -1));
    struct seen seen = {.end = outcome.end, .error = outcome.error};
    CHECK_EQ(outcome.stranded, 0);
    if (to.peer < 0) {
        seen.contents = read_file(to.engine);
    } else {
        end_writing(to.engine);
        seen.contents = read_to_end(to.peer);
    }
    CHECK_EQ(seen.contents.size, outcome.bytes);
    drop(from.engine);
    return seen;
}

static struct seen to_file(const struct context *context, const struct scene *scene, uint32_t strategy, int64_t length)
{
    return by_job(context, scene, strategy, length, (struct pair){.engine = file_of(0), .peer = -1});
}

static struct seen to_socket(const struct context *context, const struct scene *scene, uint32_t strategy,
                             int64_t length)
{
    return by_job(context, scene, strategy, length, unix_pair());
}

static struct seen to_pipe(const struct context *context, const struct scene *scene, uint32_t strategy, int64_t length)
{
    return by_job(context, scene, strategy, length, target_pipe());
}

static struct seen by_tee(const struct context *context, const struct scene *scene, uint32_t strategy, int64_t length)
{
    struct pair from = staged(scene);
    struct sluice_outlet outlets[2];
    int32_t job = sluice_job_open_tee(context->handle, from.engine, outlets, 2, 64 * KIB);
    CHECK_GE(job, 1);
    job_start(job, request(strategy == SLUICE_SPLICE ? SLUICE_TEE : strategy, -1, length, -1));
    struct sluice_outcome outcome = next_outcome(context);
    job_close(job);
    struct seen seen = {.end = outcome.end, .error = outcome.error};
    struct contents second;
    seen.contents = read_to_end(own(outlets[0].fd));
    second = read_to_end(own(outlets[1].fd));
    CHECK_EQ(seen.contents.size, outcome.bytes);
    CHECK_EQ(second.size, seen.contents.size);
    CHECK_EQ(memcmp(second.bytes, seen.contents.bytes, second.size), 0);
    free(second.bytes);
    drop(from.engine);
    return seen;
}

static const struct {
    const char *name;
    way *way;
} ways[] = {{"to a file", to_file}, {"to a socket", to_socket}, {"to a pipe", to_pipe}, {"by tee", by_tee}};

static const char *const scores[] = {"-!-", "!-", "-!", "!", "-!!-", "-!-!-!-", "!!", "-!-!"};

/* Everything is there before anybody reads. */
static void check_scene(const struct context *context, const struct scene *scene, int64_t length)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct seen read = ways[i].way(context, scene, SLUICE_BUFFERED, length);
        struct seen spliced = ways[i].way(context, scene, SLUICE_SPLICE, length);
        bool same = read.contents.size == spliced.contents.size && read.end == spliced.end &&
                    read.error == spliced.error &&
                    memcmp(read.contents.bytes, spliced.contents.bytes, read.contents.size) == 0;
        if (!same)
            FAIL(
                "%s %s, last %d, inlined %d, blocking %d, length %lld: %zu bytes, end %u, %s; read: %zu bytes, end %u, %s",
                ways[i].name, scene->score, scene->last, scene->inlined, scene->blocking, (long long)length,
                spliced.contents.size, spliced.end, strerror(spliced.error), read.contents.size, read.end,
                strerror(read.error));
        free(read.contents.bytes);
        free(spliced.contents.bytes);
    }
}

static void check_scenes(const void *argument)
{
    const struct stream *stream = argument;
    struct context context = context_open();
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
        for (int how = 0; how < 4; how++)
            for (enum last last = FIN; last <= (stream->open == tcp_pair ? RST : FIN); last++) {
                struct scene scene = {stream, scores[i], last, how & 1, how & 2};
                test_note("%s, %d, %d", scores[i], how, (int)last);
                check_scene(&context, &scene, -1);
            }
    context_close(&context);
}

/* A length that ends before a mark, at it, and behind it. */
static void check_lengths(const void *argument)
{
    const struct stream *stream = argument;
    struct context context = context_open();
    for (int inlined = 0; inlined < 2; inlined++)
        for (int64_t length = PIECE - 1; length <= PIECE + 2; length++) {
            struct scene scene = {stream, "-!-", STAYS, inlined, false};
            check_scene(&context, &scene, length);
        }
    context_close(&context);
}

/* --- a mark that comes while somebody waits --- */

static void await_progress(int32_t job, int64_t bytes)
{
    test_note("waiting for %lld bytes of progress", (long long)bytes);
    while (job_progress(job) < bytes)
        usleep(500);
    CHECK_EQ(job_progress(job), bytes);
}

static void check_waiting(const void *argument)
{
    const struct stream *stream = argument;
    struct context context = context_open();
    for (int inlined = 0; inlined < 2; inlined++)
        for (int piped = 0; piped < 2; piped++) {
            struct scene scene = {stream, "", STAYS, inlined, false};
            struct pair from = staged(&scene), to = piped ? target_pipe() : unix_pair();
            int32_t job = job_open(&context, from.engine, to.engine);
            int64_t sent = 0;
            job_start(job, request(SLUICE_SPLICE, -1, -1, -1));
            for (int i = 0; i < 4; i++) {
                write_pattern(from.peer, 1000, 0);
                await_progress(job, sent += 1000);
                mark(from.peer);
                if (inlined) await_progress(job, ++sent);
                usleep(50000);
            }
            end_writing(from.peer);
            struct sluice_outcome outcome = next_outcome(&context);
            check_outcome(outcome, SLUICE_END_EOF, sent);
            CHECK_LE(outcome.syscalls, 200);
            job_close(job);
            end_writing(to.engine);
            struct contents contents = read_to_end(to.peer);
            CHECK_EQ(contents.size, sent);
            for (int64_t at = 0; at < sent; at += 1000 + inlined) {
                check_pattern(contents.bytes + at, 1000, 0);
                if (inlined) CHECK_EQ(contents.bytes[at + 1000], MARK);
            }
            free(contents.bytes);
        }
    context_close(&context);
}

/* The source is readable and the target is not: nobody may take that for a mark, nor spin. */
static void check_full(const void *argument)
{
    const struct stream *stream = argument;
    struct context context = context_open();
    for (int piped = 0; piped < 2; piped++) {
        struct scene scene = {stream, "-!-", FIN, false, false};
        struct pair from = staged(&scene), to = piped ? target_pipe() : unix_pair();
        int64_t before = write_until_full(to.engine);
        int32_t job = job_open(&context, from.engine, to.engine);
        job_start(job, request(SLUICE_SPLICE, -1, -1, -1));
        usleep(100000);
        CHECK_EQ(job_progress(job), 0);
        struct flow sink;
        sink_start(&sink, to.peer);
        struct sluice_outcome outcome = next_outcome(&context);
        check_outcome(outcome, SLUICE_END_EOF, 2 * PIECE);
        CHECK_LE(outcome.syscalls, 200);
        job_close(job);
        end_writing(to.engine);
        flow_join(&sink);
        CHECK_EQ(sink.contents.size, before + 2 * PIECE);
        check_pattern(sink.contents.bytes + before, PIECE, 0);
        check_pattern(sink.contents.bytes + before + PIECE, PIECE, PIECE);
        free(sink.contents.bytes);
    }
    context_close(&context);
}

/* --- marks at any moment of a long stream --- */

static void *flood(void *argument)
{
    int fd = *(int *)argument;
    uint8_t *bytes = malloc(FLOOD);
    unsigned seed = 7;
    pattern_fill(bytes, FLOOD, 0);
    for (size_t at = 0; at < FLOOD;) {
        size_t size = (size_t)rand_r(&seed) % (at > FLOOD / 2 ? 300 * KIB : 20 * KIB) + 1;
        size = size < FLOOD - at ? size : FLOOD - at;
        for (size_t end = at + size; at < end;)
            at += (size_t)MUST(send(fd, bytes + at, end - at, MSG_NOSIGNAL));
        mark(fd);
    }
    end_writing(fd);
    free(bytes);
    return NULL;
}

/* Which of several marks is still one when it is read depends on the moment (tcp(7)); the rest is the pattern. */
static void check_flooded(struct contents contents)
{
    size_t kept = 0;
    for (size_t i = 0; i < contents.size; i++)
        if (contents.bytes[i] != MARK) contents.bytes[kept++] = contents.bytes[i];
    contents.size = kept;
    check_contents(contents, FLOOD, 0);
}

static struct pair inlet(const struct stream *stream, bool inlined, pthread_t *peer)
{
    static struct pair from;
    struct scene scene = {stream, "", STAYS, inlined, false};
    from = staged(&scene);
    CHECK_EQ(pthread_create(peer, NULL, flood, &from.peer), 0);
    return from;
}

static void check_flood(const void *argument)
{
    const struct stream *stream = argument;
    struct context context = context_open();
    for (int how = 0; how < 6; how++) {
        pthread_t peer;
        struct pair from = inlet(stream, how & 1, &peer);
        struct pair to = how < 2   ? unix_pair()
                         : how < 4 ? target_pipe()
                                   : (struct pair){.engine = file_of(0), .peer = -1};
        struct flow sink;
        if (to.peer >= 0) sink_start(&sink, to.peer);
        struct sluice_outcome outcome = run(&context, from.engine, to.engine, request(SLUICE_SPLICE, -1, -1, -1));
        CHECK_EQ(outcome.end, SLUICE_END_EOF);
        if (to.peer >= 0) {
            end_writing(to.engine);
            flow_join(&sink);
        } else {
            sink.contents = read_file(to.engine);
        }
        CHECK_EQ(pthread_join(peer, NULL), 0);
        check_flooded(sink.contents);
    }
    context_close(&context);
}

/* --- pairs --- */

struct joint {
    struct pair b;
    int32_t handle;
};

static struct joint join_from(const struct context *context, int from, uint32_t flags)
{
    struct joint joint = {.b = unix_pair()};
    struct sluice_pair_request request = {.flags = flags, .most_to_b = -1, .most_to_a = -1};
    joint.handle = sluice_pair_open(context->handle, from, joint.b.engine);
    CHECK_GE(joint.handle, 1);
    CHECK_EQ(sluice_pair_start(joint.handle, &request, NULL, 0, NULL, 0), 0);
    return joint;
}

static struct sluice_pair_outcome next_pair(const struct context *context)
{
    struct sluice_pair_outcome outcome;
    test_note("waiting for a pair to end");
    while (sluice_pair_reap(context->handle, &outcome, 1) == 0)
        usleep(500);
    return outcome;
}

static void check_flooded_pair(const void *argument)
{
    const struct stream *stream = argument;
    struct context context = context_open();
    for (int inlined = 0; inlined < 2; inlined++) {
        pthread_t peer;
        struct pair from = inlet(stream, inlined, &peer);
        struct joint joint = join_from(&context, from.engine, SLUICE_PAIR_SPLICE);
        check_flooded(read_to_end(joint.b.peer));
        end_writing(joint.b.peer);
        CHECK_EQ(pthread_join(peer, NULL), 0);
        struct sluice_pair_outcome outcome = next_pair(&context);
        CHECK_EQ(outcome.end, SLUICE_PAIR_END_ENDED);
        CHECK_GE(outcome.to_b_spliced, 1);
        CHECK_EQ(sluice_pair_close(joint.handle, false), 0);
    }
    context_close(&context);
}

static void read_pattern(int fd, int64_t size, int64_t position)
{
    uint8_t bytes[16 * KIB];
    for (int64_t at = 0; at < size;) {
        test_note("reading byte %lld of %lld", (long long)at, (long long)size);
        size_t wanted = size - at < (int64_t)sizeof bytes ? (size_t)(size - at) : sizeof bytes;
        ssize_t n = MUST(read(fd, bytes, wanted));
        CHECK_GE(n, 1);
        check_pattern(bytes, (size_t)n, position + at);
        at += n;
    }
}

static void await_acknowledged(int fd)
{
    int bytes = 1;
    test_note("waiting until the other side has everything");
    while (bytes > 0) {
        MUST(ioctl(fd, TIOCOUTQ, &bytes));
        usleep(500);
    }
}

static void *feed_mebibyte(void *argument)
{
    write_pattern(*(int *)argument, MIB, 0);
    return NULL;
}

static int64_t moved_to_b(int32_t handle)
{
    struct sluice_pair_progress progress;
    CHECK_EQ(sluice_pair_progress(handle, &progress), 0);
    return progress.to_b_bytes;
}

/*
 * Large reads first, so that the flow is spliced when it comes to the mark; the connection is reset while the target
 * is full.
 */
static void check_reset_pair(uint32_t flags)
{
    struct context context = context_open();
    struct pair from = tcp_pair();
    struct joint joint = join_from(&context, from.engine, flags);
    pthread_t feeder;
    CHECK_EQ(pthread_create(&feeder, NULL, feed_mebibyte, &from.peer), 0);
    read_pattern(joint.b.peer, MIB, 0);
    CHECK_EQ(pthread_join(feeder, NULL), 0);
    int64_t sent = MIB;
    for (int still = 0; still < 20;) {
        still = moved_to_b(joint.handle) == sent ? 0 : still + 1;
        if (still == 0) {
            write_pattern(from.peer, LARGE, sent);
            sent += LARGE;
        }
        usleep(1000);
    }
    mark(from.peer);
    write_pattern(from.peer, PIECE, sent);
    sent += PIECE;
    await_acknowledged(from.peer);
    reset(from.peer);
    read_pattern(joint.b.peer, sent - MIB, MIB);
    struct sluice_pair_outcome outcome = next_pair(&context);
    CHECK_EQ(outcome.end, SLUICE_PAIR_END_FAILED);
    CHECK_EQ(outcome.error, ECONNRESET);
    CHECK_EQ(outcome.failed, SLUICE_SIDE_SOURCE);
    CHECK_EQ(outcome.to_b_bytes, sent);
    CHECK_EQ(sluice_pair_close(joint.handle, false), 0);
    context_close(&context);
}

TEST("a pair delivers what is behind an urgent mark before it reports the reset")
{
    check_reset_pair(SLUICE_PAIR_SPLICE);
    check_reset_pair(0);
}

__attribute__((constructor)) static void add_streams(void)
{
    for (const struct stream *stream = streams; stream < streams + 2; stream++) {
        static const struct {
            const char *what;
            test_body *body;
        } tests[] = {
            {"as it is read, whatever is urgent", check_scenes},
            {"as it is read up to a length at an urgent mark", check_lengths},
            {"past an urgent mark that comes while it waits", check_waiting},
            {"past an urgent mark while the target is full", check_full},
            {"past urgent marks at any time", check_flood},
            {"through a pair past urgent marks at any time", check_flooded_pair},
        };
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
            char name[120];
            snprintf(name, sizeof name, "%s is spliced %s", stream->name, tests[i].what);
            test_add(name, tests[i].body, stream);
        }
    }
}
