/* What a descriptor is. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "end.h"
#include "filesystem.h"

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U /* Linux 5.8 */
#endif

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U /* Linux 6.8: one that is never used again */
#endif

/* As large as the kernel writes it, with the fields that older headers lack. */
union statx_answer {
    struct statx known;
    uint64_t words[32];
};

enum { STATX_MOUNT_WORD = 0x90 / 8 };

static int socket_option(int fd, int option)
{
    int value = 0;
    socklen_t length = sizeof value;
    return SYS(getsockopt, fd, SOL_SOCKET, option, &value, &length) < 0 ? -1 : value;
}

static uint32_t stream_flags(bool listening)
{
    return SLUICE_FD_STREAM | (listening ? SLUICE_FD_LISTENING : 0);
}

/* One call for TCP, which is what most sockets are, instead of two. */
static uint32_t socket_flags(int fd)
{
    int state = tcp_state(fd);
    if (state >= 0) return stream_flags(state == TCP_LISTEN);
    if (socket_option(fd, SO_TYPE) != SOCK_STREAM) return 0;
    return stream_flags(socket_option(fd, SO_ACCEPTCONN) > 0);
}

static uint32_t access_flags(int64_t flags)
{
    uint32_t answer = 0;
    int64_t mode = flags & O_ACCMODE;
    if (flags & O_PATH) return SLUICE_FD_PATH;
    if (mode == O_RDONLY || mode == O_RDWR) answer |= SLUICE_FD_READABLE;
    if (mode == O_WRONLY || mode == O_RDWR) answer |= SLUICE_FD_WRITABLE;
    if (flags & O_APPEND) answer |= SLUICE_FD_APPEND;
    if (flags & O_NONBLOCK) answer |= SLUICE_FD_NONBLOCKING;
    return answer;
}

/* The size of a block device is not in its inode: SEEK_END tells, and the position is put back. */
static int64_t device_size(int fd)
{
    int64_t position = SYS(lseek, fd, 0, SEEK_CUR);
    int64_t size = SYS(lseek, fd, 0, SEEK_END);
    SYS(lseek, fd, position, SEEK_SET);
    return size;
}

/*
 * A system call costs a microsecond and more on a virtual machine. A file without blocks may be procfs's, whose sizes
 * mean nothing, and device numbers are used again: such a one is always asked for.
 */
static void inspect_filesystem(int fd, struct sluice_inspection *answer)
{
    struct statfs filesystem;
    bool is_known = answer->known_device == answer->device && answer->known_mount == answer->mount;
    if (!is_known || answer->blocks == 0) {
        int64_t known = filesystem_of(fd).magic;
        if (known == 0 && SYS(fstatfs, fd, &filesystem) == 0) known = filesystem.f_type;
        answer->known_filesystem = known;
        answer->known_device = answer->device;
        answer->known_mount = answer->mount;
    }
    answer->filesystem = answer->known_filesystem;
}

static int64_t in_ns(const struct statx_timestamp *time)
{
    return time->tv_sec * 1000000000 + time->tv_nsec;
}

/* As the kernel puts the two together for fstat(2). */
static int64_t device_number(const struct statx *status)
{
    uint64_t major = status->stx_dev_major, minor = status->stx_dev_minor;
    return (int64_t)((minor & 0xff) | (major << 8) | ((minor & ~UINT64_C(0xff)) << 12));
}

static void fill(struct sluice_inspection *answer, const union statx_answer *told)
{
    const struct statx *status = &told->known;
    bool has_mount = status->stx_mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE);
    answer->kind = fd_kind(status->stx_mode);
    answer->size = (int64_t)status->stx_size;
    answer->device = device_number(status);
    answer->inode = (int64_t)status->stx_ino;
    answer->mount = has_mount ? (int64_t)told->words[STATX_MOUNT_WORD] : 0;
    answer->blocks = (int64_t)status->stx_blocks;
    answer->mode = status->stx_mode;
    answer->modified_ns = in_ns(&status->stx_mtime);
    answer->changed_ns = in_ns(&status->stx_ctime);
}

/* Where statx(2) is missing (before Linux 4.11) or filtered, there are no mounts to tell. */
static int32_t fill_without_mount(struct sluice_inspection *answer, int fd)
{
    struct stat status;
    int64_t failed = SYS(fstat, fd, &status);
    if (failed < 0) return (int32_t)failed;
    answer->kind = fd_kind(status.st_mode);
    answer->size = status.st_size;
    answer->device = (int64_t)status.st_dev;
    answer->inode = (int64_t)status.st_ino;
    answer->blocks = status.st_blocks;
    answer->mode = status.st_mode;
    answer->modified_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    answer->changed_ns = (int64_t)status.st_ctim.tv_sec * 1000000000 + status.st_ctim.tv_nsec;
    return 0;
}

static bool is_of_filesystem(uint32_t kind)
{
    return kind == SLUICE_KIND_FILE || kind == SLUICE_KIND_DIRECTORY || kind == SLUICE_KIND_BLOCK_DEVICE;
}

int32_t sluice_inspect(int32_t fd, void *inspection)
{
    struct sluice_inspection *answer = inspection;
    union statx_answer status;
    *answer = (struct sluice_inspection){
        .known_device = answer->known_device,
        .known_mount = answer->known_mount,
        .known_filesystem = answer->known_filesystem,
    };
    int64_t failed = SYS(statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID_UNIQUE, &status);
    if (failed == 0)
        fill(answer, &status);
    else if (failed == -ENOSYS || failed == -EPERM)
        failed = fill_without_mount(answer, fd);
    if (failed < 0) return (int32_t)failed;
    int64_t flags = SYS(fcntl, fd, F_GETFL);
    if (flags < 0) return (int32_t)flags;
    answer->flags = access_flags(flags);
    if (answer->kind == SLUICE_KIND_SOCKET) answer->flags |= socket_flags(fd);
    if (answer->kind == SLUICE_KIND_BLOCK_DEVICE) answer->size = device_size(fd);
    if (is_of_filesystem(answer->kind)) inspect_filesystem(fd, answer);
    return 0;
}
