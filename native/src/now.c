/*
 * Opening and closing on the calling thread, where that is sure to be quick. A hop to a thread of the runtime's
 * pool costs more than both together; a disk, a server or a daemon that has to be asked costs any time.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "../include/sluice.h"
#include "openat2.h"
#include "sys.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* Filesystems whose open(2) and close(2) ask nobody, once the path and the inode are in memory. */
static const uint32_t local[] = {
    EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC,       BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
    RAMFS_MAGIC,      OVERLAYFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,  SQUASHFS_MAGIC,
};

/* Whether it is a regular file with a name on such a filesystem: the last close of one without frees its blocks. */
static bool is_quick(int fd)
{
    struct stat status;
    struct statfs filesystem;
    if (SYS(fstat, fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_nlink == 0) return false;
    if (SYS(fstatfs, fd, &filesystem) < 0) return false;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if ((uint32_t)filesystem.f_type == local[i]) return true;
    return false;
}

int32_t sluice_open_now(void *path)
{
    const struct how look = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED};
    /* O_NONBLOCK: a lease is not waited for, nor a FIFO that has taken the file's place meanwhile. */
    const struct how open = {.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, .resolve = RESOLVE_CACHED};
    int64_t seen = SYS(openat2, AT_FDCWD, path, &look, sizeof look);
    if (seen < 0) return -EAGAIN;
    bool quick = is_quick((int)seen);
    SYS(close, seen);
    int64_t fd = quick ? SYS(openat2, AT_FDCWD, path, &open, sizeof open) : -EAGAIN;
    if (fd < 0) return -EAGAIN;
    SYS(fcntl, fd, F_SETFL, 0);
    return (int32_t)fd;
}

int32_t sluice_close_now(int32_t fd)
{
    return is_quick(fd) ? (int32_t)SYS(close, fd) : -EAGAIN;
}
