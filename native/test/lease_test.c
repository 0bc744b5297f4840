/* Leases: who breaks them, how one is told, and that nobody is held up for ever. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

/* A file with a name, which the harness does not take away: its test does. */
struct named {
    char path[32];
    int fd;
};

static struct named named_file(void)
{
    struct named file = {.path = "sluice-lease-XXXXXX"};
    int writer = (int)MUST(mkostemp(file.path, O_CLOEXEC));
    MUST(write(writer, "0123456789", 10));
    MUST(close(writer));
    file.fd = own(open(file.path, O_RDONLY | O_CLOEXEC));
    return file;
}

static void named_remove(const struct named *file)
{
    MUST(unlink(file->path));
}

static int32_t lease_open(const struct context *context, int fd, uint32_t type, uint32_t hold_ms)
{
    int32_t lease = sluice_lease_open(context->handle, fd, type, hold_ms);
    if (lease == -EINVAL) SKIP("the filesystem of the working directory has no leases");
    CHECK_GE(lease, 1);
    return lease;
}

/* What another process does to the file; it ends with 0, or with an errno. */
typedef int other_deed(const char *path);

static int open_for_writing(const char *path)
{
    return open(path, O_WRONLY) < 0 ? errno : 0;
}

static int open_for_writing_now(const char *path)
{
    return open(path, O_WRONLY | O_NONBLOCK) < 0 ? errno : 0;
}

static int open_for_reading(const char *path)
{
    return open(path, O_RDONLY) < 0 ? errno : 0;
}

static int truncate_to_nothing(const char *path)
{
    return truncate(path, 0) < 0 ? errno : 0;
}

static int rename_away_and_back(const char *path)
{
    char other[64];
    snprintf(other, sizeof other, "%s.renamed", path);
    return rename(path, other) < 0 || rename(other, path) < 0 ? errno : 0;
}

static int unlink_a_second_name(const char *path)
{
    char other[64];
    snprintf(other, sizeof other, "%s.linked", path);
    return link(path, other) < 0 || unlink(other) < 0 ? errno : 0;
}

static pid_t other_process(other_deed *deed, const char *path)
{
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) _exit(deed(path));
    return child;
}

static bool has_ended(pid_t child, int *code)
{
    int status;
    if (MUST(waitpid(child, &status, WNOHANG)) == 0) return false;
    CHECK(WIFEXITED(status));
    *code = WEXITSTATUS(status);
    return true;
}

static int await_end(pid_t child)
{
    int code;
    test_note("waiting for the other process");
    while (!has_ended(child, &code))
        usleep(1000);
    return code;
}

static struct sluice_lease_break next_break(const struct context *context)
{
    struct sluice_lease_break broken;
    for (;;) {
        int32_t count = sluice_lease_reap(context->handle, &broken, 1);
        if (count == 1) return broken;
        CHECK_EQ(count, 0);
        test_note("waiting for a break");
        struct pollfd entry = {.fd = context->wake, .events = POLLIN};
        if (poll(&entry, 1, -1) == -1) CHECK_EQ(errno, EINTR);
        char wakes[64];
        if (entry.revents && read(context->wake, wakes, sizeof wakes) == -1) CHECK_EQ(errno, EAGAIN);
    }
}

static void check_unbroken(const struct context *context)
{
    struct sluice_lease_break broken;
    CHECK_EQ(sluice_lease_reap(context->handle, &broken, 1), 0);
}

static const struct breaking {
    const char *name;
    other_deed *deed;
    uint32_t type;
    uint32_t wanted;
} breakings[] = {
    {"open for writing", open_for_writing, SLUICE_LEASE_READ, SLUICE_LEASE_WRITE},
    {"truncate", truncate_to_nothing, SLUICE_LEASE_READ, SLUICE_LEASE_WRITE},
    {"open for writing", open_for_writing, SLUICE_LEASE_WRITE, SLUICE_LEASE_WRITE},
    {"open for reading", open_for_reading, SLUICE_LEASE_WRITE, SLUICE_LEASE_READ},
};

static void broken_lease(const void *argument)
{
    const struct breaking *row = argument;
    struct context context = context_open();
    struct named file = named_file();
    int32_t lease = lease_open(&context, file.fd, row->type, 0);
    pid_t other = other_process(row->deed, file.path);
    struct sluice_lease_break broken = next_break(&context);
    CHECK_EQ(broken.lease, lease);
    CHECK_EQ(broken.wanted, row->wanted);
    CHECK_GE(broken.remaining_ns, 1);
    int code;
    CHECK(!has_ended(other, &code));
    check_unbroken(&context);
    CHECK_EQ(sluice_lease_release(lease), SLUICE_LEASE_WANTED);
    CHECK_EQ(await_end(other), 0);
    CHECK_EQ(sluice_lease_release(lease), -EBADF);
    named_remove(&file);
    context_close(&context);
}

__attribute__((constructor)) static void add_breakings(void)
{
    for (size_t i = 0; i < sizeof breakings / sizeof *breakings; i++) {
        const char *type = breakings[i].type == SLUICE_LEASE_READ ? "read" : "write";
        char name[120];
        snprintf(name, sizeof name, "a %s lease holds up another process's %s until it is released", type,
                 breakings[i].name);
        test_add(name, broken_lease, &breakings[i]);
    }
}

static const struct permitted {
    const char *name;
    other_deed *deed;
} permitted[] = {
    {"open for reading", open_for_reading},
    {"rename", rename_away_and_back},
    {"unlink of another name", unlink_a_second_name},
};

static void unbroken_lease(const void *argument)
{
    const struct permitted *row = argument;
    struct context context = context_open();
    struct named file = named_file();
    int32_t lease = lease_open(&context, file.fd, SLUICE_LEASE_READ, 0);
    CHECK_EQ(await_end(other_process(row->deed, file.path)), 0);
    check_unbroken(&context);
    CHECK_EQ(sluice_lease_release(lease), SLUICE_LEASE_HELD);
    named_remove(&file);
    context_close(&context);
}

__attribute__((constructor)) static void add_permitted(void)
{
    for (size_t i = 0; i < sizeof permitted / sizeof *permitted; i++) {
        char name[120];
        snprintf(name, sizeof name, "a read lease does not see another process's %s", permitted[i].name);
        test_add(name, unbroken_lease, &permitted[i]);
    }
}

TEST("a lease that nobody releases is released when its time is up")
{
    struct context context = context_open();
    struct named file = named_file();
    int32_t lease = lease_open(&context, file.fd, SLUICE_LEASE_READ, 200);
    pid_t other = other_process(open_for_writing, file.path);
    struct sluice_lease_break broken = next_break(&context);
    CHECK_LE(broken.remaining_ns, 200000000);
    CHECK_EQ(await_end(other), 0);
    CHECK_EQ(sluice_lease_release(lease), SLUICE_LEASE_GONE);
    named_remove(&file);
    context_close(&context);
}

TEST("a lease is released in time though the only other thread is the one held up")
{
    struct context context = context_open();
    struct named file = named_file();
    int32_t lease = lease_open(&context, file.fd, SLUICE_LEASE_READ, 200);
    test_note("opening for writing in the process that has the lease");
    own(open(file.path, O_WRONLY | O_CLOEXEC));
    CHECK_EQ(next_break(&context).remaining_ns, 0);
    CHECK_EQ(sluice_lease_release(lease), SLUICE_LEASE_GONE);
    named_remove(&file);
    context_close(&context);
}

TEST("a writer that does not wait breaks a lease all the same")
{
    struct context context = context_open();
    struct named file = named_file();
    int32_t lease = lease_open(&context, file.fd, SLUICE_LEASE_READ, 0);
    CHECK_EQ(await_end(other_process(open_for_writing_now, file.path)), EAGAIN);
    CHECK_EQ(next_break(&context).lease, lease);
    CHECK_EQ(sluice_lease_release(lease), SLUICE_LEASE_WANTED);
    named_remove(&file);
    context_close(&context);
}

/* Released at once, mostly before the thread that hears of breaks has run. */
TEST("a break is seen at the release, told or not")
{
    struct context context = context_open();
    struct named file = named_file();
    for (int round = 0; round < 50; round++) {
        int32_t lease = lease_open(&context, file.fd, SLUICE_LEASE_READ, 0);
        int writer = open(file.path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
        CHECK_EQ(writer, -1);
        CHECK_EQ(errno, EAGAIN);
        CHECK_EQ(sluice_lease_release(lease), SLUICE_LEASE_WANTED);
    }
    named_remove(&file);
    context_close(&context);
}

TEST("two read leases on one descriptor are two")
{
    struct context context = context_open();
    struct named file = named_file();
    int32_t first = lease_open(&context, file.fd, SLUICE_LEASE_READ, 0);
    int32_t second = lease_open(&context, file.fd, SLUICE_LEASE_READ, 0);
    CHECK_EQ(sluice_lease_release(first), SLUICE_LEASE_HELD);
    pid_t other = other_process(open_for_writing, file.path);
    CHECK_EQ(next_break(&context).lease, second);
    CHECK_EQ(sluice_lease_release(second), SLUICE_LEASE_WANTED);
    CHECK_EQ(await_end(other), 0);
    named_remove(&file);
    context_close(&context);
}

TEST("a break is told to the context that asked for the lease")
{
    struct context asking = context_open(), other_context = context_open();
    struct named file = named_file();
    int32_t lease = lease_open(&asking, file.fd, SLUICE_LEASE_READ, 0);
    pid_t other = other_process(truncate_to_nothing, file.path);
    CHECK_EQ(next_break(&asking).lease, lease);
    check_unbroken(&other_context);
    context_close(&asking);
    CHECK_EQ(await_end(other), 0);
    CHECK_EQ(sluice_lease_release(lease), -EBADF);
    named_remove(&file);
    context_close(&other_context);
}

TEST("closing the wake fd releases the context's leases")
{
    struct context context = context_open();
    struct named file = named_file();
    lease_open(&context, file.fd, SLUICE_LEASE_READ, 0);
    lease_open(&context, file.fd, SLUICE_LEASE_READ, 0);
    struct sluice_census census;
    CHECK_EQ(sluice_census(&census), 0);
    CHECK_EQ(census.leases, 2);
    /* A process forked before would hold the wake-up socket open. */
    drop(context.wake);
    await_census(0, 0);
    CHECK_EQ(sluice_census(&census), 0);
    CHECK_EQ(census.leases, 0);
    CHECK_EQ(await_end(other_process(open_for_writing_now, file.path)), 0);
    named_remove(&file);
}

TEST("no signal of a break reaches a thread that would take any")
{
    struct context context = context_open();
    struct named file = named_file();
    int32_t lease = lease_open(&context, file.fd, SLUICE_LEASE_READ, 0);
    /* Unblocked and by default deadly: SIGIO and every real-time signal. */
    sigset_t none;
    sigemptyset(&none);
    MUST(sigprocmask(SIG_SETMASK, &none, NULL));
    pid_t other = other_process(open_for_writing, file.path);
    next_break(&context);
    CHECK_EQ(sluice_lease_release(lease), SLUICE_LEASE_WANTED);
    CHECK_EQ(await_end(other), 0);
    named_remove(&file);
    context_close(&context);
}

TEST("sluice_lease_open() says why there is no lease")
{
    struct context context = context_open();
    struct named file = named_file();
    int32_t possible = lease_open(&context, file.fd, SLUICE_LEASE_READ, 0);
    CHECK_EQ(sluice_lease_release(possible), SLUICE_LEASE_HELD);
    CHECK_EQ(sluice_lease_open(context.handle, file.fd, 3, 0), -EINVAL);
    CHECK_EQ(sluice_lease_open(context.handle, -1, SLUICE_LEASE_READ, 0), -EBADF);
    CHECK_EQ(sluice_lease_open(context.handle, unix_pair().engine, SLUICE_LEASE_READ, 0), -EINVAL);
    CHECK_EQ(sluice_lease_open(12345, file.fd, SLUICE_LEASE_READ, 0), -EBADF);
    int second = own(open(file.path, O_RDONLY | O_CLOEXEC));
    CHECK_EQ(sluice_lease_open(context.handle, file.fd, SLUICE_LEASE_WRITE, 0), -EAGAIN);
    drop(second);
    int writer = own(open(file.path, O_RDWR | O_CLOEXEC));
    CHECK_EQ(sluice_lease_open(context.handle, file.fd, SLUICE_LEASE_READ, 0), -EAGAIN);
    CHECK_EQ(sluice_lease_open(context.handle, writer, SLUICE_LEASE_READ, 0), -EAGAIN);
    CHECK_EQ(sluice_lease_reap(12345, &(struct sluice_lease_break){0}, 1), -EBADF);
    named_remove(&file);
    context_close(&context);
}

TEST("sluice_job_outstanding() counts what the peer has not taken")
{
    struct context context = context_open();
    struct pair sockets = unix_pair(), pipes = target_pipe();
    int source = file_of(10);
    int32_t job = job_open(&context, source, sockets.engine);
    CHECK_EQ(sluice_job_outstanding(job), 0);
    job_start(job, request(SLUICE_SENDFILE, 0, 10, -1));
    check_outcome(next_outcome(&context), SLUICE_END_DONE, 10);
    CHECK_GE(sluice_job_outstanding(job), 10);
    end_writing(sockets.engine);
    check_contents(read_to_end(sockets.peer), 10, 0);
    CHECK_EQ(sluice_job_outstanding(job), 0);
    int32_t piped = job_open(&context, source, pipes.engine);
    job_start(piped, request(SLUICE_SPLICE, 0, 10, -1));
    check_outcome(next_outcome(&context), SLUICE_END_DONE, 10);
    CHECK_EQ(sluice_job_outstanding(piped), 10);
    int32_t to_file = job_open(&context, source, file_of(0));
    CHECK_EQ(sluice_job_outstanding(to_file), 0);
    context_close(&context);
    CHECK_EQ(sluice_job_outstanding(to_file), -EBADF);
}

TEST("sluice_job_outstanding() says when the connection is gone")
{
    struct context context = context_open();
    struct pair sockets = tcp_pair();
    int32_t job = job_open(&context, file_of(4 * MIB), sockets.engine);
    job_start(job, request(SLUICE_SENDFILE, 0, 4 * MIB, -1));
    await_full(job, sockets.engine);
    CHECK_GE(sluice_job_outstanding(job), 1);
    drop(sockets.peer);
    check_error(next_outcome(&context), ECONNRESET);
    CHECK_EQ(sluice_job_outstanding(job), -EPIPE);
    context_close(&context);
}

TEST("sluice_job_replace_source() goes on from another file")
{
    struct context context = context_open();
    int target = file_of(0);
    int32_t job = job_open(&context, file_of(4096), target);
    job_start(job, request(SLUICE_BUFFERED, 0, 4096, 0));
    check_outcome(next_outcome(&context), SLUICE_END_DONE, 4096);
    CHECK_EQ(sluice_job_replace_source(job, -1), -EBADF);
    CHECK_EQ(sluice_job_replace_source(job, memory_file_of(8192)), 0);
    job_start(job, request(SLUICE_BUFFERED, 4096, 4096, 4096));
    check_outcome(next_outcome(&context), SLUICE_END_DONE, 4096);
    check_contents(read_file(target), 8192, 0);
    struct pair sockets = unix_pair();
    int32_t running = job_open(&context, file_of(4 * MIB), sockets.engine);
    job_start(running, request(SLUICE_SENDFILE, 0, 4 * MIB, -1));
    await_full(running, sockets.engine);
    CHECK_EQ(sluice_job_replace_source(running, target), -EBUSY);
    CHECK_EQ(sluice_job_replace_source(12345, target), -EBADF);
    context_close(&context);
}
