/* Direct I/O, and transfers that leave the page cache as it was. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

/* Offsets, lengths and sizes around sectors and pages. */
static const int64_t edges[] = {0, 1, 511, 512, 513, 4095, 4096, 4097, 8192};
enum { EDGES = sizeof edges / sizeof *edges };

static void check_file(struct contents contents, int64_t before, int64_t offset, int64_t bytes)
{
    CHECK_EQ(contents.size, bytes > 0 ? before + bytes : 0);
    for (int64_t i = 0; i < before && bytes > 0; i++)
        CHECK_EQ(contents.bytes[i], 0);
    if (bytes > 0) check_pattern(contents.bytes + before, (size_t)bytes, offset);
    free(contents.bytes);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void direct_to_file(const struct context *context, int64_t size, int64_t offset, int64_t length, int64_t at)
{
    int source = file_of(size), target = file_of(0);
    int64_t expected = size > offset ? least(size - offset, length) : 0;
    test_note("size %lld, offset %lld, length %lld, to %lld", (long long)size, (long long)offset, (long long)length,
              (long long)at);
    struct sluice_outcome outcome = run(context, source, target, request(SLUICE_DIRECT, offset, length, at));
    check_outcome(outcome, expected < length ? SLUICE_END_EOF : SLUICE_END_DONE, expected);
    check_file(read_file(target), at < 0 ? 0 : at, offset, expected);
    if (at < 0) CHECK_EQ(lseek(target, 0, SEEK_CUR), expected);
    drop(source);
    drop(target);
}

TEST("direct moves every range of a file to every place of a file")
{
    struct context context = context_open();
    static const int64_t sizes[] = {4096, 5000, 12800, 16384}, places[] = {-1, 0, 512, 4095, 4096, 4097};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int o = 0; o < EDGES; o++)
            for (int l = 1; l < EDGES; l += 2)
                for (size_t p = 0; p < sizeof places / sizeof *places; p++)
                    direct_to_file(&context, sizes[s], edges[o], edges[l], places[p]);
    context_close(&context);
}

TEST("direct moves files of many buffers to files, and ends in the middle of a block")
{
    struct context context = context_open();
    direct_to_file(&context, 5 * MIB + 1234, 0, 6 * MIB, 0);
    direct_to_file(&context, 5 * MIB + 1234, 4097, 6 * MIB, 1);
    direct_to_file(&context, 5 * MIB, 4096, 4 * MIB, 8192);
    direct_to_file(&context, 5 * MIB + 1, 777, 3 * MIB, 777);
    context_close(&context);
}

static void direct_to_stream(open_pair *open)
{
    struct context context = context_open();
    static const int64_t sizes[] = {1, 4096, 5000, 3 * MIB + 511};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (int o = 0; o < EDGES; o++) {
            struct pair pair = open();
            struct flow sink;
            int source = file_of(sizes[s]);
            int64_t expected = sizes[s] > edges[o] ? sizes[s] - edges[o] : 0;
            sink_start(&sink, pair.peer);
            check_outcome(run(&context, source, pair.engine, request(SLUICE_DIRECT, edges[o], -1, -1)), SLUICE_END_EOF,
                          expected);
            end_writing(pair.engine);
            flow_join(&sink);
            check_contents(sink.contents, expected, edges[o]);
            drop(source);
        }
    }
    context_close(&context);
}

TEST("direct moves files to sockets")
{
    direct_to_stream(unix_pair);
    direct_to_stream(tcp_pair);
}

TEST("direct moves files to pipes")
{
    direct_to_stream(target_pipe);
}

TEST("direct appends to a target with O_APPEND")
{
    struct context context = context_open();
    int source = file_of(3 * MIB + 7), target = file_of(100);
    MUST(fcntl(target, F_SETFL, O_APPEND));
    check_outcome(run(&context, source, target, request(SLUICE_DIRECT, 100, 3 * MIB - 93, -1)), SLUICE_END_DONE,
                  3 * MIB - 93);
    check_contents(read_file(target), 3 * MIB + 7, 0);
    context_close(&context);
}

TEST("direct leaves the flags and positions of the caller's descriptors alone")
{
    struct context context = context_open();
    int source = file_of(MIB), target = file_of(0);
    MUST(lseek(source, 5, SEEK_SET));
    long flags[] = {MUST(fcntl(source, F_GETFL)), MUST(fcntl(target, F_GETFL))};
    check_outcome(run(&context, source, target, request(SLUICE_DIRECT, 0, MIB, 0)), SLUICE_END_DONE, MIB);
    CHECK_EQ(fcntl(source, F_GETFL), flags[0]);
    CHECK_EQ(fcntl(target, F_GETFL), flags[1]);
    CHECK_EQ(lseek(source, 0, SEEK_CUR), 5);
    CHECK_EQ(lseek(target, 0, SEEK_CUR), 0);
    context_close(&context);
}

TEST("direct says EINVAL of a file that takes no direct I/O")
{
    struct context context = context_open();
    struct pair pair = unix_pair();
    int source = own((int)MUST(open("/proc/self/maps", O_RDONLY | O_CLOEXEC)));
    check_error(run(&context, source, pair.engine, request(SLUICE_DIRECT, 0, -1, -1)), EINVAL);
    context_close(&context);
}

static void cancel_waiting(struct sluice_request work)
{
    struct context context = context_open();
    struct pair pair = tcp_pair();
    int32_t job = job_open(&context, file_of(64 * MIB), pair.engine);
    job_start(job, work);
    int64_t moved = await_stalled(job, pair.engine);
    CHECK_EQ(sluice_job_cancel(job), 0);
    struct sluice_outcome outcome = next_outcome(&context);
    CHECK_EQ(outcome.end, SLUICE_END_CANCELLED);
    CHECK_GE(outcome.bytes, moved);
    CHECK_EQ(outcome.stranded, 0);
    job_close(job);
    context_close(&context);
}

TEST("direct ends at a cancel while the peer reads nothing")
{
    cancel_waiting(request(SLUICE_DIRECT, 0, 64 * MIB, -1));
}

/* Pages of a range that are in memory. */
static int64_t pages_in_memory(int fd, int64_t start, int64_t length)
{
    int64_t page = sysconf(_SC_PAGESIZE), count = (length + page - 1) / page, found = 0;
    void *window = mmap(NULL, (size_t)length, PROT_READ, MAP_SHARED, fd, start);
    CHECK(window != MAP_FAILED);
    unsigned char *pages = malloc((size_t)count);
    MUST(mincore(window, (size_t)length, pages));
    for (int64_t i = 0; i < count; i++)
        found += pages[i] & 1;
    free(pages);
    munmap(window, (size_t)length);
    return found;
}

/* A file whose pages are on the disk alone; skips where they stay in memory whatever is done (tmpfs). */
static int cold_file_of(int64_t size)
{
    int fd = file_of(size);
    MUST(fsync(fd));
    MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    if (pages_in_memory(fd, 0, size) > 0) SKIP("the filesystem keeps its pages in memory");
    return fd;
}

static struct sluice_request dontcache(uint32_t strategy, int64_t offset, int64_t length, int64_t target_offset)
{
    struct sluice_request work = request(strategy, offset, length, target_offset);
    work.flags = SLUICE_REQUEST_DONTCACHE;
    return work;
}

static const struct strategy {
    const char *name;
    uint32_t opcode;
    bool places_bytes;
    bool streams;
} strategies[] = {
    {"sendfile", SLUICE_SENDFILE, false, true}, {"splice", SLUICE_SPLICE, true, true},
    {"mapped", SLUICE_MAPPED, true, true},      {"buffered", SLUICE_BUFFERED, true, true},
    {"direct", SLUICE_DIRECT, true, true},      {"copyFileRange", SLUICE_COPY_FILE_RANGE, true, false},
};

enum { SIZE = 20 * MIB + 4099 };

static void check_copy(const void *argument)
{
    const struct strategy *strategy = argument;
    struct context context = context_open();
    int source = cold_file_of(SIZE), target = file_of(0);
    int64_t at = strategy->places_bytes ? 0 : -1;
    check_outcome(run(&context, source, target, dontcache(strategy->opcode, 0, SIZE, at)), SLUICE_END_DONE, SIZE);
    CHECK_EQ(pages_in_memory(source, 0, SIZE), 0);
    CHECK_EQ(pages_in_memory(target, 0, SIZE), 0);
    check_contents(read_file(target), SIZE, 0);
    context_close(&context);
}

static void check_range(const void *argument)
{
    const struct strategy *strategy = argument;
    struct context context = context_open();
    int source = cold_file_of(SIZE), target = file_of(0);
    int64_t offset = 5 * MIB + 17, length = 11 * MIB + 1;
    check_outcome(run(&context, source, target, dontcache(strategy->opcode, offset, length, -1)), SLUICE_END_DONE,
                  length);
    CHECK_EQ(pages_in_memory(source, 0, SIZE), 0);
    CHECK_EQ(pages_in_memory(target, 0, length), 0);
    CHECK_EQ(lseek(target, 0, SEEK_CUR), length);
    check_contents(read_file(target), length, offset);
    context_close(&context);
}

static void check_kept(const void *argument)
{
    const struct strategy *strategy = argument;
    struct context context = context_open();
    int source = cold_file_of(SIZE), target = file_of(0);
    char bytes[64 * KIB];
    /* Somebody else's pages: three runs, one across two windows. */
    static const int64_t runs[] = {0, 8 * MIB - 32 * KIB, 17 * MIB};
    MUST(posix_fadvise(source, 0, 0, POSIX_FADV_RANDOM));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pread(source, bytes, sizeof bytes, runs[i]), sizeof bytes);
    int64_t before = pages_in_memory(source, 0, SIZE);
    CHECK_GE(before, 3 * (int64_t)sizeof bytes / sysconf(_SC_PAGESIZE));
    MUST(posix_fadvise(source, 0, 0, POSIX_FADV_NORMAL));
    int64_t at = strategy->places_bytes ? 0 : -1;
    check_outcome(run(&context, source, target, dontcache(strategy->opcode, 0, SIZE, at)), SLUICE_END_DONE, SIZE);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pages_in_memory(source, runs[i], sizeof bytes), (int64_t)sizeof bytes / sysconf(_SC_PAGESIZE));
    CHECK_EQ(pages_in_memory(source, 0, SIZE), before);
    check_contents(read_file(target), SIZE, 0);
    context_close(&context);
}

static void check_socket(const void *argument)
{
    const struct strategy *strategy = argument;
    struct context context = context_open();
    struct pair pair = tcp_pair();
    struct flow sink;
    int source = cold_file_of(SIZE);
    sink_start(&sink, pair.peer);
    check_outcome(run(&context, source, pair.engine, dontcache(strategy->opcode, 0, SIZE, -1)), SLUICE_END_DONE, SIZE);
    /* What the socket still refers to can't be dropped: its buffers hold no more than this. */
    bool refers = strategy->opcode == SLUICE_SENDFILE || strategy->opcode == SLUICE_SPLICE;
    CHECK_LE(pages_in_memory(source, 0, SIZE) * sysconf(_SC_PAGESIZE), refers ? 16 * MIB : 0);
    end_writing(pair.engine);
    flow_join(&sink);
    check_contents(sink.contents, SIZE, 0);
    context_close(&context);
}

__attribute__((constructor)) static void add_strategies(void)
{
    char name[100];
    for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
        const struct strategy *strategy = &strategies[i];
        snprintf(name, sizeof name, "%s with dontcache leaves no page of a copy in memory", strategy->name);
        test_add(name, check_copy, strategy);
        snprintf(name, sizeof name, "%s with dontcache leaves no page of a range in memory", strategy->name);
        test_add(name, check_range, strategy);
        snprintf(name, sizeof name, "%s with dontcache keeps the pages that somebody else had in memory",
                 strategy->name);
        if (strategy->opcode != SLUICE_DIRECT) test_add(name, check_kept, strategy);
        snprintf(name, sizeof name, "%s with dontcache leaves no page of what went to a socket", strategy->name);
        if (strategy->streams) test_add(name, check_socket, strategy);
    }
}

TEST("a cancelled transfer with dontcache leaves no page in memory")
{
    struct context context = context_open();
    struct pair pair = tcp_pair();
    int source = cold_file_of(64 * MIB);
    int32_t job = job_open(&context, source, pair.engine);
    job_start(job, dontcache(SLUICE_BUFFERED, 0, 64 * MIB, -1));
    await_stalled(job, pair.engine);
    CHECK_EQ(sluice_job_cancel(job), 0);
    CHECK_EQ(next_outcome(&context).end, SLUICE_END_CANCELLED);
    CHECK_EQ(pages_in_memory(source, 0, 64 * MIB), 0);
    job_close(job);
    context_close(&context);
}

TEST("a job with dontcache that is closed under way lets go of all it held")
{
    struct context context = context_open();
    struct pair pair = tcp_pair();
    int32_t job = job_open(&context, cold_file_of(64 * MIB), pair.engine);
    job_start(job, dontcache(SLUICE_SENDFILE, 0, 64 * MIB, -1));
    await_stalled(job, pair.engine);
    job_close(job);
    await_census(1, 0);
    context_close(&context);
}

TEST("sluice_attempt() leaves transfers with dontcache to the engine")
{
    struct pair pair = unix_pair();
    struct sluice_request work = dontcache(SLUICE_BUFFERED, 0, 10, -1);
    struct sluice_outcome outcome;
    CHECK_EQ(sluice_attempt(file_of(10), pair.engine, &work, &outcome, NULL, 0), -EINVAL);
}
