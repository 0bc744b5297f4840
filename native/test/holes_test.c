/* Holes that stay holes, by every mechanism, and sources that are cut while they are copied. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static const struct holes_case {
    const char *name;
    uint32_t strategy;
    uint32_t flags;
} cases[] = {
    {"copyFileRange", SLUICE_COPY_FILE_RANGE, 0},
    {"splice", SLUICE_SPLICE, 0},
    {"mapped", SLUICE_MAPPED, 0},
    {"buffered", SLUICE_BUFFERED, 0},
    {"buffered past the cache", SLUICE_BUFFERED, SLUICE_REQUEST_DONTCACHE},
};

enum { SIZE = 40 * MIB, RUNS = 1500 };

static int64_t allocated(int fd)
{
    struct stat status;
    MUST(fstat(fd, &status));
    return status.st_blocks * 512;
}

/* Runs of data of 4 KiB and one of 5 MiB, with holes between, before and behind. */
static int sparse_file(int fd)
{
    for (int64_t i = 0; i < RUNS; i++) {
        uint8_t bytes[4096];
        pattern_fill(bytes, sizeof bytes, i * 16 * KIB + 4096);
        MUST(pwrite(fd, bytes, sizeof bytes, i * 16 * KIB + 4096));
    }
    uint8_t *large = malloc(5 * MIB);
    pattern_fill(large, 5 * MIB, 30 * MIB + 1);
    MUST(pwrite(fd, large, 5 * MIB, 30 * MIB + 1));
    free(large);
    MUST(ftruncate(fd, SIZE));
    return fd;
}

static void check_equal(int one, int other)
{
    struct contents a = read_file(one), b = read_file(other);
    CHECK_EQ(a.size, b.size);
    CHECK_EQ(memcmp(a.bytes, b.bytes, a.size), 0);
    free(a.bytes);
    free(b.bytes);
}

static struct sluice_request asked(const struct holes_case *holes, int64_t length)
{
    struct sluice_request work = request(holes->strategy, 0, length, 0);
    work.flags = SLUICE_REQUEST_HOLES | holes->flags;
    return work;
}

static void keeps_holes(const void *argument)
{
    struct context context = context_open();
    int source = sparse_file(file_of(0)), target = file_of(0);
    check_outcome(run(&context, source, target, asked(argument, SIZE)), SLUICE_END_DONE, SIZE);
    check_equal(source, target);
    CHECK_LE(allocated(target), allocated(source) + 64 * KIB);
    context_close(&context);
}

/* The promise was made when the file was longer: what is left is counted, hole or data, and no zero after it. */
static void ends_at_cut(const void *argument)
{
    static const int64_t cuts[] = {0, 100, 4096 + 7, 20 * MIB + 5, 32 * MIB + 77, 38 * MIB};
    struct context context = context_open();
    int source = sparse_file(file_of(0));
    for (int i = (int)(sizeof cuts / sizeof *cuts) - 1; i >= 0; i--) {
        int target = file_of(0);
        MUST(ftruncate(source, cuts[i]));
        check_outcome(run(&context, source, target, asked(argument, SIZE)), SLUICE_END_EOF, cuts[i]);
        struct stat status;
        MUST(fstat(target, &status));
        CHECK_LE(status.st_size, cuts[i]);
        drop(target);
    }
    context_close(&context);
}

__attribute__((constructor)) static void add_cases(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static char names[sizeof cases / sizeof *cases][2][100];
        snprintf(names[i][0], sizeof names[i][0], "holes stay holes by %s", cases[i].name);
        snprintf(names[i][1], sizeof names[i][1], "a sparse file that was cut ends where it ends by %s", cases[i].name);
        test_add(names[i][0], keeps_holes, &cases[i]);
        test_add(names[i][1], ends_at_cut, &cases[i]);
    }
}

TEST("holes of a memory file stay holes")
{
    struct context context = context_open();
    int source = sparse_file(memory_file_of(0)), target = memory_file_of(0);
    check_outcome(run(&context, source, target, asked(&cases[3], SIZE)), SLUICE_END_DONE, SIZE);
    check_equal(source, target);
    CHECK_EQ(allocated(target), allocated(source));
    context_close(&context);
}

TEST("a file that is a hole is a hole of that length")
{
    struct context context = context_open();
    int source = file_of(0), target = file_of(0);
    MUST(ftruncate(source, 3 * MIB + 1));
    check_outcome(run(&context, source, target, asked(&cases[0], 3 * MIB + 1)), SLUICE_END_DONE, 3 * MIB + 1);
    check_equal(source, target);
    CHECK_EQ(allocated(target), 0);
    context_close(&context);
}

TEST("holes are for files alone")
{
    struct context context = context_open();
    struct pair pipe = target_pipe();
    int32_t job = job_open(&context, file_of(10), pipe.engine);
    struct sluice_request work = asked(&cases[3], 10);
    CHECK_EQ(sluice_job_start(job, &work), -EINVAL);
    job_close(job);
    context_close(&context);
}
