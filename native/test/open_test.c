/* Opening by path, and what closing costs: sluice_open_beneath(), sluice_closes_quickly(). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    int fd = open(in_folder(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* A folder "root" with a file, a folder, links that stay and links that leave; beside it a "secret". */
static void make_tree(void)
{
    strcpy(folder, "/tmp/sluice-open-XXXXXX");
    CHECK(mkdtemp(folder));
    MUST(mkdir(in_folder("root"), 0755));
    MUST(mkdir(in_folder("root/inner"), 0755));
    put("secret", "secret");
    put("root/file", "inside");
    put("root/inner/file", "deeper");
    MUST(symlink("inner/file", in_folder("root/stays")));
    MUST(symlink("../secret", in_folder("root/leaves")));
    MUST(symlink(in_folder("root/file"), in_folder("root/absolute")));
    MUST(symlink("loop", in_folder("root/loop")));
    MUST(mkfifo(in_folder("root/fifo"), 0644));
}

static void remove_tree(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_EQ(system(command), 0);
}

static int32_t beneath(const char *path)
{
    return sluice_open_beneath((void *)in_folder("root"), (void *)path, 0);
}

static void need_openat2(void)
{
    int32_t fd = beneath(".");
    if (fd == -ENOSYS) SKIP("this kernel has no openat2");
    CHECK_EQ(sluice_close(fd), 0);
}

static void check_reads(int32_t fd, const char *text)
{
    char bytes[16] = {0};
    CHECK(fd >= 0);
    CHECK_EQ(read(fd, bytes, sizeof bytes - 1), (ssize_t)strlen(text));
    CHECK_EQ(strcmp(bytes, text), 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(sluice_close(fd), 0);
}

TEST("sluice_open_beneath() opens what lies beneath the root, through links that stay there")
{
    make_tree();
    need_openat2();
    check_reads(beneath("file"), "inside");
    check_reads(beneath("inner/file"), "deeper");
    check_reads(beneath("inner/../file"), "inside");
    check_reads(beneath("stays"), "deeper");
    int32_t root = beneath(".");
    CHECK(root >= 0);
    CHECK_EQ(sluice_close(root), 0);
    remove_tree();
}

TEST("sluice_open_beneath() never leaves the root")
{
    make_tree();
    need_openat2();
    CHECK_EQ(beneath(".."), -EXDEV);
    CHECK_EQ(beneath("../secret"), -EXDEV);
    CHECK_EQ(beneath("inner/../../secret"), -EXDEV);
    CHECK_EQ(beneath("leaves"), -EXDEV);
    CHECK_EQ(beneath("absolute"), -EXDEV);
    CHECK_EQ(beneath("/etc/passwd"), -EXDEV);
    CHECK_EQ(beneath("loop"), -ELOOP);
    CHECK_EQ(beneath("missing"), -ENOENT);
    CHECK_EQ(beneath("file/below"), -ENOTDIR);
    CHECK_EQ(sluice_open_beneath((void *)in_folder("nowhere"), "file", 0), -ENOENT);
    remove_tree();
}

TEST("sluice_open_beneath() follows no magic link")
{
    int32_t fd = sluice_open_beneath("/proc/self", "exe", 0);
    if (fd == -ENOSYS) SKIP("this kernel has no openat2");
    CHECK_EQ(fd, -ELOOP);
}

TEST("sluice_open_beneath() does not wait for a FIFO's writer")
{
    make_tree();
    int32_t fd = beneath("fifo");
    if (fd == -ENOSYS) SKIP("this kernel has no openat2");
    CHECK(fd >= 0);
    CHECK_EQ(sluice_close(fd), 0);
    remove_tree();
}

TEST("sluice_closes_quickly() tells a file that has a name from what may take its time")
{
    make_tree();
    CHECK_EQ(sluice_closes_quickly(own(open(in_folder("root/file"), O_RDONLY | O_CLOEXEC))), 1);
    CHECK_EQ(sluice_closes_quickly(own(open("/proc/self/status", O_RDONLY | O_CLOEXEC))), 0);
    CHECK_EQ(sluice_closes_quickly(own(open("/dev/null", O_RDONLY | O_CLOEXEC))), 0);
    /* The last close of a file without a name frees its blocks. */
    CHECK_EQ(sluice_closes_quickly(file_of(100)), 0);
    CHECK_EQ(sluice_closes_quickly(-1), 0);
    remove_tree();
}
