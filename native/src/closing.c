/*
 * Whether a file may be closed on the thread of the event loop: that takes a microsecond, and a hop to the runtime's
 * pool ten or more. A server or a daemon that has to be asked takes any time.
 */
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "../include/sluice.h"
#include "sys.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* Filesystems whose close(2) asks nobody. */
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

int32_t sluice_closes_quickly(int32_t fd)
{
    return is_quick(fd);
}
