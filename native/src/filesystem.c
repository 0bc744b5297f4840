#include "filesystem.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif
#define HUGETLBFS 0x958458f6 /* unsigned, as f_type is not everywhere */

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000
#endif

static const struct {
    const char *name;
    struct filesystem is;
} known[] = {
    {"ext2", {FILESYSTEM_LOCAL, EXT4_SUPER_MAGIC}},
    {"ext3", {FILESYSTEM_LOCAL, EXT4_SUPER_MAGIC}},
    {"ext4", {FILESYSTEM_LOCAL, EXT4_SUPER_MAGIC}},
    {"xfs", {FILESYSTEM_LOCAL, XFS_SUPER_MAGIC}},
    {"btrfs", {FILESYSTEM_LOCAL, BTRFS_SUPER_MAGIC}},
    {"f2fs", {FILESYSTEM_LOCAL, F2FS_SUPER_MAGIC}},
    {"squashfs", {FILESYSTEM_LOCAL, SQUASHFS_MAGIC}},
    {"zfs", {FILESYSTEM_LOCAL, 0}},
    {"bcachefs", {FILESYSTEM_LOCAL, 0}},
    {"vfat", {FILESYSTEM_LOCAL, MSDOS_SUPER_MAGIC}},
    {"exfat", {FILESYSTEM_LOCAL, 0}},
    {"ntfs3", {FILESYSTEM_LOCAL, 0}},
    {"iso9660", {FILESYSTEM_LOCAL, ISOFS_SUPER_MAGIC}},
    {"erofs", {FILESYSTEM_LOCAL, 0}},
    {"overlay", {FILESYSTEM_STACK, OVERLAYFS_SUPER_MAGIC}},
    {"tmpfs", {FILESYSTEM_MEMORY, TMPFS_MAGIC}},
    {"ramfs", {FILESYSTEM_MEMORY, RAMFS_MAGIC}},
    {"hugetlbfs", {FILESYSTEM_MEMORY, HUGETLBFS}},
    {"fuse", {FILESYSTEM_OTHER, FUSE_SUPER_MAGIC}},
    {"fuseblk", {FILESYSTEM_OTHER, FUSE_SUPER_MAGIC}},
    {"virtiofs", {FILESYSTEM_OTHER, FUSE_SUPER_MAGIC}},
    {"nfs", {FILESYSTEM_OTHER, NFS_SUPER_MAGIC}},
    {"nfs4", {FILESYSTEM_OTHER, NFS_SUPER_MAGIC}},
    {"9p", {FILESYSTEM_OTHER, V9FS_MAGIC}},
};

enum { KNOWN = sizeof known / sizeof *known };

static struct filesystem by_name(const char *name, size_t length)
{
    /* fuse.sshfs and the like */
    if (length > 5 && strncmp(name, "fuse.", 5) == 0) length = 4;
    for (size_t i = 0; i < KNOWN; i++)
        if (strlen(known[i].name) == length && strncmp(known[i].name, name, length) == 0) return known[i].is;
    return (struct filesystem){0};
}

/* Without /proc there is no other way. */
static struct filesystem by_statfs(int fd)
{
    struct statfs answer;
    if (SYS(fstatfs, fd, &answer) < 0) return (struct filesystem){0};
    for (size_t i = 0; i < KNOWN; i++)
        if (known[i].is.magic && (uint32_t)known[i].is.magic == (uint32_t)answer.f_type) return known[i].is;
    return (struct filesystem){.magic = answer.f_type};
}

int glance_at(int fd, struct glance *glance)
{
    struct stat status;
    struct statx now;
    int64_t failed = SYS(statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_MNT_ID, &now);
    if (failed == 0) {
        uint64_t device = makedev(now.stx_dev_major, now.stx_dev_minor);
        *glance = (struct glance){now.stx_mode, now.stx_nlink, now.stx_blocks, device, 0};
        /* Beyond the fields of the first version of the struct, which older headers have: stx_mnt_id. */
        if (now.stx_mask & STATX_MNT_ID) memcpy(&glance->mount, (const char *)&now + 0x90, sizeof glance->mount);
        return 0;
    }
    /* Before Linux 4.11, and where a filter knows of no such call. */
    if (failed != -ENOSYS && failed != -EPERM) return (int)failed;
    failed = SYS(fstat, fd, &status);
    if (failed < 0) return (int)failed;
    *glance = (struct glance){status.st_mode, (uint32_t)status.st_nlink, (uint64_t)status.st_blocks, status.st_dev, 0};
    return 0;
}

/* --- /proc/self/mountinfo (proc_pid_mountinfo(5)) --- */

/* The whole of it; NULL where it can't be read. */
static char *read_mounts(void)
{
    size_t capacity = 16384, length = 0;
    char *text = NULL;
    int fd = (int)keep_fd(SYS(openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    for (int64_t n = fd; n > 0 || n == -EINTR; length += n > 0 ? (size_t)n : 0) {
        if (!text || length + 1 == capacity) {
            char *grown = realloc(text, capacity *= 2);
            if (!grown) break;
            text = grown;
        }
        n = SYS(read, fd, text + length, capacity - 1 - length);
        if (n < 0 && n != -EINTR) length = 0;
        if (n <= 0 && n != -EINTR) break;
    }
    close_fd(&fd);
    if (text) text[length] = 0;
    if (text && length > 0) return text;
    free(text);
    return NULL;
}

/* "36 35 98:0 /root /place options [tags] - ext4 /dev/vda options" */
static bool is_line_of(const char *line, const struct glance *glance)
{
    unsigned long long mount;
    unsigned major, minor;
    if (sscanf(line, "%llu %*u %u:%u", &mount, &major, &minor) != 3) return false;
    return glance->mount ? mount == glance->mount : makedev(major, minor) == glance->device;
}

static bool find_mount(const struct glance *glance, struct filesystem *found)
{
    char *text = read_mounts(), *rest = text;
    if (!text) return false;
    for (char *line; (line = strsep(&rest, "\n"));) {
        const char *mark = is_line_of(line, glance) ? strstr(line, " - ") : NULL;
        if (!mark) continue;
        *found = by_name(mark + 3, strcspn(mark + 3, " "));
        break;
    }
    free(text);
    return true;
}

/* --- what was found lately: numbers of mounts and devices are used again --- */

#define REMEMBERED 16
#define REMEMBER_NS INT64_C(1000000000)

static struct {
    struct glance glance;
    struct filesystem filesystem;
    int64_t until;
} remembered[REMEMBERED];
static uint32_t oldest;
static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;

static bool recall(const struct glance *glance, int64_t now, struct filesystem *filesystem)
{
    bool found = false;
    pthread_mutex_lock(&memory_lock);
    for (int i = 0; i < REMEMBERED && !found; i++) {
        const struct glance *other = &remembered[i].glance;
        found = remembered[i].until > now && other->mount == glance->mount && other->device == glance->device;
        if (found) *filesystem = remembered[i].filesystem;
    }
    pthread_mutex_unlock(&memory_lock);
    return found;
}

static void remember(const struct glance *glance, int64_t now, struct filesystem filesystem)
{
    pthread_mutex_lock(&memory_lock);
    remembered[oldest].glance = *glance;
    remembered[oldest].filesystem = filesystem;
    remembered[oldest].until = now + REMEMBER_NS;
    oldest = (oldest + 1) % REMEMBERED;
    pthread_mutex_unlock(&memory_lock);
}

struct filesystem filesystem_at(int fd, const struct glance *glance)
{
    struct filesystem found = {0};
    int64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
    if (recall(glance, now, &found)) return found;
    /* Memory without a mount that has a name (memfd_create(2)); the call is about nothing else. */
    if (SYS(fcntl, fd, F_GET_SEALS) >= 0)
        found.kind = FILESYSTEM_MEMORY;
    else if (!find_mount(glance, &found))
        found = by_statfs(fd);
    remember(glance, now, found);
    return found;
}

struct filesystem filesystem_of(int fd)
{
    struct glance glance;
    return glance_at(fd, &glance) < 0 ? (struct filesystem){0} : filesystem_at(fd, &glance);
}
