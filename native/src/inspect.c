/* What a descriptor is. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "filesystem.h"
#include "job.h"

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

int tcp_state(int fd)
{
    uint8_t state = 0;
    socklen_t length = sizeof state;
    int64_t failed = SYS(getsockopt, fd, IPPROTO_TCP, TCP_INFO, &state, &length);
    return failed < 0 ? (int)failed : state;
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
static void inspect_filesystem(int fd, const struct stat *status, struct sluice_inspection *answer)
{
    struct statfs filesystem;
    int64_t device = (int64_t)status->st_dev;
    if (answer->known_device != device || status->st_blocks == 0) {
        int64_t known = filesystem_of(fd).magic;
        if (known == 0 && SYS(fstatfs, fd, &filesystem) == 0) known = filesystem.f_type;
        answer->known_filesystem = known;
        answer->known_device = device;
    }
    answer->filesystem = answer->known_filesystem;
}

static int64_t in_ns(const struct timespec *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

int32_t sluice_inspect(int32_t fd, void *inspection)
{
    struct sluice_inspection *answer = inspection;
    struct stat status;
    int64_t failed = SYS(fstat, fd, &status);
    if (failed < 0) return (int32_t)failed;
    int64_t flags = SYS(fcntl, fd, F_GETFL);
    if (flags < 0) return (int32_t)flags;
    uint32_t kind = fd_kind(status.st_mode);
    bool has_blocks = kind == SLUICE_KIND_FILE || kind == SLUICE_KIND_BLOCK_DEVICE;
    *answer = (struct sluice_inspection){
        .kind = kind,
        .flags = access_flags(flags),
        .size = kind == SLUICE_KIND_BLOCK_DEVICE ? device_size(fd) : status.st_size,
        .device = (int64_t)status.st_dev,
        .inode = (int64_t)status.st_ino,
        .known_device = answer->known_device,
        .known_filesystem = answer->known_filesystem,
        .blocks = status.st_blocks,
        .mode = status.st_mode,
        .modified_ns = in_ns(&status.st_mtim),
        .changed_ns = in_ns(&status.st_ctim),
    };
    if (kind == SLUICE_KIND_SOCKET) answer->flags |= socket_flags(fd);
    if (has_blocks) inspect_filesystem(fd, &status, answer);
    return 0;
}

int32_t sluice_duplicate(int32_t fd)
{
    return (int32_t)SYS(fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

