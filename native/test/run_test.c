/* On the calling thread, for guests that wait: sluice_run(), and what lets them open files, sluice_open_at(). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static struct sluice_outcome run_here(int source, int target, struct sluice_request request)
{
    struct sluice_outcome outcome = {.end = 99};
    CHECK_EQ(sluice_run(source, target, &request, &outcome), 0);
    return outcome;
}

static int rewound(int fd)
{
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Filesystems in memory have no RWF_DONTCACHE, and say EOPNOTSUPP. */
TEST("sluice_run() leaves no pages behind where the filesystem can be asked to, and moves every byte where it can't")
{
    int target = memory_file_of(0);
    struct sluice_request asked = request(SLUICE_BUFFERED, 0, 100000, 0);
    asked.flags = SLUICE_REQUEST_DONTCACHE;
    check_outcome(run_here(memory_file_of(100000), target, asked), SLUICE_END_DONE, 100000);
    check_contents(read_file(target), 100000, 0);
    target = file_of(0);
    check_outcome(run_here(file_of(100000), target, asked), SLUICE_END_DONE, 100000);
    check_contents(read_file(target), 100000, 0);
}

TEST("sluice_run() moves a range between files by every mechanism, with its exact bytes, and starts no thread")
{
    static const uint32_t strategies[] = {SLUICE_BUFFERED, SLUICE_MAPPED, SLUICE_SPLICE, SLUICE_COPY_FILE_RANGE,
                                          SLUICE_SENDFILE};
    enum { BYTES = 5 << 20 };
    int source = file_of(BYTES + 10);
    for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
        int64_t at = strategies[i] == SLUICE_SENDFILE ? -1 : 0;
        int target = file_of(0);
        struct sluice_outcome outcome = run_here(source, target, request(strategies[i], 7, BYTES, at));
        check_outcome(outcome, SLUICE_END_DONE, BYTES);
        CHECK_GE(outcome.syscalls, 1);
        check_contents(read_to_end(rewound(target)), BYTES, 7);
    }
    struct sluice_census census;
    CHECK_EQ(sluice_census(&census), 0);
    CHECK_EQ(census.workers + census.blocking_workers + census.jobs + census.contexts, 0);
}

TEST("sluice_run() tells the end of a file that is shorter, and nothing to move")
{
    int source = file_of(1000);
    check_outcome(run_here(source, file_of(0), request(SLUICE_BUFFERED, 100, 5000, 0)), SLUICE_END_EOF, 900);
    check_outcome(run_here(source, file_of(0), request(SLUICE_BUFFERED, 0, 0, 0)), SLUICE_END_DONE, 0);
    check_outcome(run_here(source, file_of(0), request(SLUICE_BUFFERED, 5000, 10, 0)), SLUICE_END_EOF, 0);
}

TEST("sluice_run() takes regular files alone, and mechanisms that there are")
{
    struct sluice_outcome outcome;
    struct sluice_request whole = request(SLUICE_BUFFERED, 0, 10, 0);
    struct pair pair = unix_pair();
    CHECK_EQ(sluice_run(file_of(10), pair.engine, &whole, &outcome), -EINVAL);
    CHECK_EQ(sluice_run(pair.engine, file_of(0), &whole, &outcome), -EINVAL);
    CHECK_EQ(sluice_run(-1, file_of(0), &whole, &outcome), -EBADF);
    CHECK_EQ(sluice_run(file_of(10), 1 << 20, &whole, &outcome), -EBADF);
    whole.strategy = 99;
    CHECK_EQ(sluice_run(file_of(10), file_of(0), &whole, &outcome), -EINVAL);
    whole = request(SLUICE_BUFFERED, -1, 10, 0);
    CHECK_EQ(sluice_run(file_of(10), file_of(0), &whole, &outcome), -EINVAL);
}

TEST("sluice_run() answers EFBIG where a file outgrows its limit, and the signal ends nobody")
{
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    int source = file_of(100000);
    int target = file_of(0);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct sluice_outcome outcome = run_here(source, target, request(SLUICE_BUFFERED, 0, 100000, 0));
    check_error(outcome, EFBIG);
    CHECK_EQ(outcome.bytes, 4096);
    CHECK_EQ(outcome.failed, SLUICE_SIDE_TARGET);
}

static char folder[64];

static const char *inside(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

TEST("sluice_open_at() reads, writes, creates and empties beneath a folder, and never leaves it")
{
    strcpy(folder, "/tmp/sluice-at-XXXXXX");
    CHECK(mkdtemp(folder));
    MUST(mkdir(inside("sub"), 0755));
    MUST(symlink("/etc/passwd", inside("out")));
    MUST(symlink("sub", inside("in")));
    int at = own(open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    int32_t fd = sluice_open_at(at, "in/new", SLUICE_OPEN_WRITE | SLUICE_OPEN_CREATE | SLUICE_OPEN_EXCLUSIVE);
    if (fd == -ENOSYS) SKIP("this kernel has no openat2");
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "text", 4), 4);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(sluice_close(fd), 0);
    CHECK_EQ(sluice_open_at(at, "sub/new", SLUICE_OPEN_WRITE | SLUICE_OPEN_CREATE | SLUICE_OPEN_EXCLUSIVE), -EEXIST);
    char text[8];
    fd = sluice_open_at(at, "sub/new", SLUICE_OPEN_READ | SLUICE_OPEN_WRITE);
    CHECK_EQ(read(fd, text, sizeof text), 4);
    CHECK_EQ(sluice_close(fd), 0);
    fd = sluice_open_at(at, "sub/new", SLUICE_OPEN_READ | SLUICE_OPEN_WRITE | SLUICE_OPEN_TRUNCATE);
    CHECK_EQ(read(fd, text, sizeof text), 0);
    CHECK_EQ(sluice_close(fd), 0);
    int32_t sub = sluice_open_at(at, "sub", SLUICE_OPEN_PATH | SLUICE_OPEN_DIRECTORY);
    CHECK(sub >= 0);
    CHECK_EQ(sluice_open_at(sub, "../out", SLUICE_OPEN_READ), -EXDEV);
    CHECK_EQ(sluice_close(sub), 0);
    CHECK_EQ(sluice_open_at(at, "out", SLUICE_OPEN_WRITE | SLUICE_OPEN_CREATE), -EXDEV);
    CHECK_EQ(sluice_open_at(at, "in", SLUICE_OPEN_READ | SLUICE_OPEN_NO_FOLLOW), -ELOOP);
    CHECK_EQ(sluice_open_at(at, "/etc/passwd", SLUICE_OPEN_READ), -EXDEV);
    CHECK_EQ(sluice_open_at(at, "sub/new", SLUICE_OPEN_PATH | SLUICE_OPEN_DIRECTORY), -ENOTDIR);
    CHECK_EQ(sluice_open_at(-1, "sub/new", SLUICE_OPEN_READ), -EBADF);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_EQ(system(command), 0);
}
