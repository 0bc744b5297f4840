/* What copying and sharing whole files needs beyond moving their bytes. */
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "../include/sluice.h"
#include "sys.h"

/* linkat(2) on the descriptor's own entry in /proc: AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH. */
int32_t sluice_publish(int32_t fd, void *path)
{
    char own[32];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    return (int32_t)SYS(linkat, AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

int32_t sluice_rename_new(void *from, void *to)
{
    return (int32_t)SYS(renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

enum {
    ATTRIBUTE_IMMUTABLE = 0x10,
    ATTRIBUTE_APPEND = 0x20,
    ATTRIBUTE_MOUNT_ROOT = 0x2000, /* Linux 5.8 */
};

/* The beginning of struct statx, which older headers lack, and room for the rest. */
struct status {
    uint32_t mask;
    uint32_t block_size;
    uint64_t attributes;
    char rest[240];
};
_Static_assert(sizeof(struct status) == 256, "struct statx");

int32_t sluice_is_replaceable(void *path)
{
    struct status status = {0};
    /* Filters answer EPERM, too, for a call that they don't know: then the rename will tell. */
    if (SYS(statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &status) < 0) return 0;
    if (status.attributes & (ATTRIBUTE_IMMUTABLE | ATTRIBUTE_APPEND)) return -EPERM;
    return status.attributes & ATTRIBUTE_MOUNT_ROOT ? -EBUSY : 0;
}

/*
 * A write lease is granted where no other description of the file is open. The signal that tells of a process that
 * opens the file in that moment would be SIGIO, which ends a process that has no handler for it; SIGURG is ignored by
 * default.
 */
static bool is_shared(int fd)
{
    SYS(fcntl, fd, F_SETSIG, SIGURG);
    int64_t failed = SYS(fcntl, fd, F_SETLEASE, F_WRLCK);
    if (failed == 0) SYS(fcntl, fd, F_SETLEASE, F_UNLCK);
    return failed == -EAGAIN;
}

int32_t sluice_take_back(int32_t fd, void *path)
{
    struct stat ours, there;
    int64_t failed = SYS(fstat, fd, &ours);
    if (failed == 0) failed = SYS(newfstatat, AT_FDCWD, path, &there, AT_SYMLINK_NOFOLLOW);
    if (failed < 0) return (int32_t)failed;
    bool same = ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
    if (!same || there.st_size > 0 || there.st_nlink != 1 || is_shared(fd)) return -EBUSY;
    return (int32_t)SYS(unlinkat, AT_FDCWD, path, 0);
}

int32_t sluice_set_times(int32_t fd, void *times)
{
    const struct sluice_times *given = times;
    struct timespec both[2] = {
        {.tv_sec = given->access_s, .tv_nsec = given->access_ns},
        {.tv_sec = given->modify_s, .tv_nsec = given->modify_ns},
    };
    return (int32_t)SYS(utimensat, fd, NULL, both, 0);
}

/* --- locks on ranges, owned by the open file description and not by the process (fcntl(2); Linux 3.15) --- */

static const short types[] = {
    [SLUICE_LOCK_NONE] = F_UNLCK,
    [SLUICE_LOCK_SHARED] = F_RDLCK,
    [SLUICE_LOCK_EXCLUSIVE] = F_WRLCK,
};

int32_t sluice_lock(int32_t fd, uint32_t type, void *range)
{
    const struct sluice_extent *extent = range;
    if (type >= sizeof types / sizeof *types) return -EINVAL;
    /* A length of 0 would be to the end, too. */
    if (extent->end >= 0 && extent->end <= extent->start) return -EINVAL;
    struct flock lock = {
        .l_type = types[type],
        .l_whence = SEEK_SET,
        .l_start = extent->start,
        /* 0: to the end, wherever that comes to be. */
        .l_len = extent->end < 0 ? 0 : extent->end - extent->start,
    };
    return (int32_t)SYS(fcntl, fd, F_OFD_SETLK, &lock);
}
