/* What descriptors, files and the machine are said to be. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "support.h"

static struct sluice_inspection inspect(int fd)
{
    struct sluice_inspection inspection;
    memset(&inspection, 0xee, sizeof inspection);
    CHECK_EQ(sluice_inspect(fd, &inspection), 0);
    return inspection;
}

static void check_is(int fd, uint32_t kind, uint32_t flags)
{
    struct sluice_inspection inspection = inspect(fd);
    CHECK_EQ(inspection.kind, kind);
    CHECK_EQ(inspection.flags, flags);
}

TEST("sluice_inspect() describes a file")
{
    int file = file_of(12345);
    MUST(lseek(file, 42, SEEK_SET));
    struct stat status;
    struct statfs filesystem;
    MUST(fstat(file, &status));
    MUST(fstatfs(file, &filesystem));
    struct sluice_inspection inspection = inspect(file);
    CHECK_EQ(inspection.kind, SLUICE_KIND_FILE);
    CHECK_EQ(inspection.flags, SLUICE_FD_READABLE | SLUICE_FD_WRITABLE);
    CHECK_EQ(inspection.size, 12345);
    CHECK_EQ(inspection.device, (int64_t)status.st_dev);
    CHECK_EQ(inspection.inode, (int64_t)status.st_ino);
    CHECK_EQ(inspection.blocks, status.st_blocks);
    CHECK_EQ(inspection.filesystem, filesystem.f_type);
    CHECK_EQ(inspection.known_device, (int64_t)status.st_dev);
    CHECK_EQ(inspection.mode, status.st_mode);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 42);
}

TEST("sluice_inspect() asks for a filesystem once, but for each file without blocks")
{
    int full = file_of(12345), empty = file_of(0);
    struct sluice_inspection inspection = inspect(full);
    MUST(pwrite(full, "x", 1, 0));
    MUST(fsync(full));
    inspection.known_filesystem = 42;
    CHECK_EQ(sluice_inspect(full, &inspection), 0);
    CHECK_EQ(inspection.filesystem, 42);
    CHECK_EQ(sluice_inspect(empty, &inspection), 0);
    CHECK(inspection.filesystem != 42);
}

TEST("sluice_inspect() tells mounts from each other")
{
    int one = file_of(1), other = file_of(1), version = (int)MUST(open("/proc/version", O_RDONLY | O_CLOEXEC));
    struct sluice_inspection here = inspect(one), there = inspect(version);
    CHECK_EQ(inspect(other).mount, here.mount);
    /* Before Linux 5.8 there is none to tell. */
    if (here.mount != 0) CHECK(here.mount != there.mount);
    CHECK(here.filesystem != there.filesystem);
    close(version);
}

TEST("sluice_access() answers for what a descriptor names, however it is open")
{
    char path[] = "/tmp/sluice-access-XXXXXX";
    close((int)MUST(mkstemp(path)));
    int named = (int)MUST(open(path, O_PATH | O_CLOEXEC));
    CHECK_EQ(sluice_access(named, R_OK | W_OK), 0);
    /* Not even root executes a file that nobody may. */
    CHECK_EQ(sluice_access(named, X_OK), -EACCES);
    MUST(unlink(path));
    MUST(mkfifo(path, 0600));
    int fifo = (int)MUST(open(path, O_PATH | O_CLOEXEC));
    CHECK_EQ(sluice_access(fifo, W_OK), 0);
    CHECK_EQ(inspect(fifo).kind, SLUICE_KIND_PIPE);
    CHECK_EQ(inspect(fifo).flags, SLUICE_FD_PATH);
    CHECK_EQ(sluice_access(-1, R_OK), -EBADF);
    close(named);
    close(fifo);
    MUST(unlink(path));
}

TEST("sluice_inspect() tells how a file is open")
{
    MUST(fcntl(file_of(0), F_GETFL));
    int read_only = own(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    int path = own(open("/proc/self/exe", O_PATH | O_CLOEXEC));
    int append = file_of(0);
    MUST(fcntl(append, F_SETFL, O_APPEND | O_NONBLOCK));
    check_is(read_only, SLUICE_KIND_FILE, SLUICE_FD_READABLE);
    check_is(path, SLUICE_KIND_FILE, SLUICE_FD_PATH);
    check_is(append, SLUICE_KIND_FILE,
             SLUICE_FD_READABLE | SLUICE_FD_WRITABLE | SLUICE_FD_APPEND | SLUICE_FD_NONBLOCKING);
}

TEST("sluice_inspect() describes directories and devices")
{
    check_is(own(open(".", O_RDONLY | O_CLOEXEC)), SLUICE_KIND_DIRECTORY, SLUICE_FD_READABLE);
    check_is(own(open("/dev/null", O_RDWR | O_CLOEXEC)), SLUICE_KIND_CHAR_DEVICE,
             SLUICE_FD_READABLE | SLUICE_FD_WRITABLE);
    check_is(own(open("/dev/full", O_WRONLY | O_CLOEXEC)), SLUICE_KIND_CHAR_DEVICE, SLUICE_FD_WRITABLE);
    CHECK_EQ(inspect(own(eventfd(0, EFD_CLOEXEC))).kind, SLUICE_KIND_OTHER);
}

TEST("sluice_inspect() describes a block device with its size")
{
    int device = open("/dev/loop0", O_RDONLY | O_CLOEXEC);
    if (device == -1) SKIP("no block device may be opened: %m");
    own(device);
    struct sluice_inspection inspection = inspect(device);
    CHECK_EQ(inspection.kind, SLUICE_KIND_BLOCK_DEVICE);
    CHECK_EQ(inspection.size, lseek(device, 0, SEEK_END));
}

TEST("sluice_inspect() describes pipes")
{
    struct pair pipe = target_pipe();
    check_is(pipe.engine, SLUICE_KIND_PIPE, SLUICE_FD_WRITABLE | SLUICE_FD_NONBLOCKING);
    check_is(pipe.peer, SLUICE_KIND_PIPE, SLUICE_FD_READABLE);
}

TEST("sluice_inspect() describes sockets")
{
    const uint32_t both = SLUICE_FD_READABLE | SLUICE_FD_WRITABLE;
    struct pair local = unix_pair(), tcp = tcp_pair();
    check_is(local.peer, SLUICE_KIND_SOCKET, both | SLUICE_FD_STREAM);
    check_is(tcp.engine, SLUICE_KIND_SOCKET, both | SLUICE_FD_STREAM | SLUICE_FD_NONBLOCKING);
    int lone = own(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    check_is(lone, SLUICE_KIND_SOCKET, both | SLUICE_FD_STREAM);
    MUST(listen(lone, 1));
    check_is(lone, SLUICE_KIND_SOCKET, both | SLUICE_FD_STREAM | SLUICE_FD_LISTENING);
    int deaf = own(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    check_is(deaf, SLUICE_KIND_SOCKET, both | SLUICE_FD_STREAM);
    /* Given a name of the kernel's choice. */
    MUST(bind(deaf, (const struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX}, sizeof(sa_family_t)));
    MUST(listen(deaf, 1));
    check_is(deaf, SLUICE_KIND_SOCKET, both | SLUICE_FD_STREAM | SLUICE_FD_LISTENING);
    check_is(own(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)), SLUICE_KIND_SOCKET, both);
    check_is(own(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), SLUICE_KIND_SOCKET, both);
}

TEST("sluice_inspect() of no descriptor is -EBADF")
{
    struct sluice_inspection inspection;
    CHECK_EQ(sluice_inspect(-1, &inspection), -EBADF);
    CHECK_EQ(sluice_inspect(FD_LIMIT - 1, &inspection), -EBADF);
}

TEST("sluice_probe() answers for every strategy")
{
    for (uint32_t strategy = SLUICE_SENDFILE; strategy <= SLUICE_BUFFERED; strategy++) {
        int32_t answer = sluice_probe(strategy);
        if (answer != -ENOSYS && answer != -EPERM) CHECK_EQ(answer, 0);
    }
    CHECK_EQ(sluice_probe(SLUICE_BUFFERED), 0);
    CHECK_EQ(sluice_probe(0), -EINVAL);
    CHECK_EQ(sluice_probe(1000), -EINVAL);
}

TEST("sluice_publish() names an unnamed file and never replaces one")
{
    int file = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file == -1) SKIP("no O_TMPFILE here: %m");
    own(file);
    write_pattern(file, 5000, 0);
    char path[64];
    snprintf(path, sizeof path, "published-%d", getpid());
    CHECK_EQ(sluice_publish(file, path), 0);
    int named = own(open(path, O_RDONLY | O_CLOEXEC));
    check_contents(read_file(named), 5000, 0);
    int other = own(open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    CHECK_EQ(sluice_publish(other, path), -EEXIST);
    MUST(unlink(path));
    CHECK_EQ(sluice_publish(-1, path), -ENOENT);
}

TEST("sluice_interface() knows the loopback and no stranger")
{
    struct sluice_interface answer = {.features = UINT32_MAX, .reserved = 1};
    char loopback[] = "lo", stranger[] = "nosuchinterface", too_long[] = "an-interface-name-that-is-too-long";
    CHECK_EQ(sluice_interface(loopback, &answer), 0);
    CHECK_EQ(answer.features & ~(uint32_t)(SLUICE_NIC_SCATTER_GATHER | SLUICE_NIC_TSO | SLUICE_NIC_TX_CHECKSUM), 0);
    CHECK_EQ(sluice_interface(stranger, &answer), -ENODEV);
    CHECK_EQ(sluice_interface(too_long, &answer), -EINVAL);
}

TEST("sluice_allow_files() raises the soft limit, and the hard one where it may, and lowers neither")
{
    struct rlimit before, now;
    MUST(getrlimit(RLIMIT_NOFILE, &before));
    struct rlimit low = {.rlim_cur = 64, .rlim_max = before.rlim_max};
    MUST(setrlimit(RLIMIT_NOFILE, &low));
    CHECK_EQ(sluice_allow_files(64), 0);
    CHECK_EQ(sluice_allow_files(100), 0);
    MUST(getrlimit(RLIMIT_NOFILE, &now));
    CHECK_EQ(now.rlim_cur, 100);
    CHECK_EQ(now.rlim_max, before.rlim_max);
    CHECK_EQ(sluice_allow_files(UINT32_MAX), -EPERM);
    MUST(getrlimit(RLIMIT_NOFILE, &now));
    CHECK_EQ(now.rlim_cur, 100);
    int raised = sluice_allow_files((uint32_t)before.rlim_max + 1);
    CHECK_EQ(raised == 0 || raised == -EPERM, 1);
    MUST(getrlimit(RLIMIT_NOFILE, &now));
    CHECK_EQ(now.rlim_max, before.rlim_max + (raised == 0));
    MUST(setrlimit(RLIMIT_NOFILE, &before));
}

TEST("sluice_census() of an idle library is all zeros")
{
    struct sluice_census census, zeros = {0};
    memset(&census, 0xee, sizeof census);
    CHECK_EQ(sluice_census(&census), 0);
    CHECK_EQ(memcmp(&census, &zeros, sizeof zeros), 0);
}
