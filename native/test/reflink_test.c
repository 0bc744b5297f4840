/* FICLONERANGE: refused where blocks can't be shared; real on a btrfs made for the purpose. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static bool is_refusal(struct sluice_outcome outcome)
{
    return outcome.end == SLUICE_END_ERROR && outcome.bytes == 0 &&
           (outcome.error == EOPNOTSUPP || outcome.error == EINVAL || outcome.error == ENOTTY);
}

TEST("reflink is refused by memory filesystems and nothing moves")
{
    struct context context = context_open();
    int target = memory_file_of(0);
    struct sluice_outcome outcome = run(&context, memory_file_of(8192), target, request(SLUICE_REFLINK, 0, 8192, 0));
    if (!is_refusal(outcome))
        FAIL("end %u, %lld bytes, error %d", outcome.end, (long long)outcome.bytes, outcome.error);
    check_contents(read_file(target), 0, 0);
    context_close(&context);
}

TEST("reflink between filesystems is refused")
{
    struct context context = context_open();
    struct sluice_outcome outcome =
        run(&context, file_of(8192), memory_file_of(0), request(SLUICE_REFLINK, 0, 8192, 0));
    if (!is_refusal(outcome)) check_error(outcome, EXDEV);
    CHECK_EQ(outcome.bytes, 0);
    context_close(&context);
}

TEST("reflink without a length or a place is refused")
{
    struct context context = context_open();
    check_error(run(&context, file_of(8192), file_of(0), request(SLUICE_REFLINK, 0, -1, 0)), EINVAL);
    check_error(run(&context, file_of(8192), file_of(0), request(SLUICE_REFLINK, 0, 8192, -1)), EINVAL);
    context_close(&context);
}

static int shell(const char *command)
{
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* In a mount namespace of this process, so that nothing stays mounted however the test ends. */
static void mount_btrfs(void)
{
    if (geteuid() != 0) SKIP("mounting a btrfs needs root");
    if (shell("command -v mkfs.btrfs >/dev/null") != 0) SKIP("no mkfs.btrfs");
    if (unshare(CLONE_NEWNS) == -1) SKIP("no mount namespace: %m");
    int mounted =
        shell("exec >/dev/null 2>&1; mount --make-rprivate / && mkdir -p btrfs && truncate -s 128M btrfs.img &&"
              " mkfs.btrfs -q btrfs.img && mount -o loop btrfs.img btrfs");
    unlink("btrfs.img"); /* the loop device holds it as long as it is mounted */
    if (mounted != 0) SKIP("no btrfs can be mounted here");
}

static int btrfs_file(const char *name, int64_t size)
{
    char path[100];
    snprintf(path, sizeof path, "btrfs/%s", name);
    int fd = own(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    write_pattern(fd, (size_t)size, 0);
    return fd;
}

TEST("reflink shares the blocks on btrfs")
{
    mount_btrfs();
    struct context context = context_open();
    int source = btrfs_file("source", 40000), target = btrfs_file("target", 0);
    /* A range may end off a block only where the source ends. */
    check_outcome(run(&context, source, target, request(SLUICE_REFLINK, 4096, 35904, 0)), SLUICE_END_DONE, 35904);
    check_contents(read_file(target), 35904, 4096);
    check_error(run(&context, source, target, request(SLUICE_REFLINK, 1, 4096, 0)), EINVAL);
    /* A file that was cut says the same, and is at its end. */
    MUST(ftruncate(source, 20000));
    check_outcome(run(&context, source, target, request(SLUICE_REFLINK, 0, 40000, 0)), SLUICE_END_EOF, 0);
    context_close(&context);
    drop(source);
    drop(target);
    await_census(0, 0);
    MUST(umount2("btrfs", 0));
}
