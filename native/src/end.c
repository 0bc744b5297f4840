/* One end of a job: what its descriptor is, and what it has taken and still holds. */
#include "end.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "filesystem.h"

uint32_t fd_kind(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return SLUICE_KIND_FILE;
    case S_IFDIR: return SLUICE_KIND_DIRECTORY;
    case S_IFSOCK: return SLUICE_KIND_SOCKET;
    case S_IFIFO: return SLUICE_KIND_PIPE;
    case S_IFCHR: return SLUICE_KIND_CHAR_DEVICE;
    case S_IFBLK: return SLUICE_KIND_BLOCK_DEVICE;
    default: return SLUICE_KIND_OTHER;
    }
}

int end_describe(struct end *end, int fd)
{
    struct glance glance;
    int failed = glance_at(fd, &glance);
    if (failed < 0) return failed;
    uint32_t kind = fd_kind(glance.mode);
    /* O_NONBLOCK means nothing for a regular file. */
    int64_t flags = kind == SLUICE_KIND_FILE ? 0 : SYS(fcntl, fd, F_GETFL);
    if (flags < 0) return (int)flags;
    *end = (struct end){
        .fd = fd,
        .kind = kind,
        .nonblocking = flags & O_NONBLOCK,
    };
    end->pollable = end->kind == SLUICE_KIND_SOCKET || end->kind == SLUICE_KIND_PIPE;
    return 0;
}

int tcp_state(int fd)
{
    uint8_t state = 0;
    socklen_t length = sizeof state;
    int64_t failed = SYS(getsockopt, fd, IPPROTO_TCP, TCP_INFO, &state, &length);
    return failed < 0 ? (int)failed : state;
}

/* SIOCOUTQ has the number of TIOCOUTQ, and counts what the peer has not acknowledged (tcp(7), unix(7)). */
static const struct {
    uint32_t kind;
    unsigned long question;
} questions[] = {
    {SLUICE_KIND_SOCKET, TIOCOUTQ},
    {SLUICE_KIND_PIPE, FIONREAD},
};

/* A connection that is gone acknowledges nothing any more; a Unix socket then holds nothing either. */
static bool is_gone(int fd)
{
    return tcp_state(fd) == TCP_CLOSE;
}

/* A pipe without readers keeps its bytes until its last writer goes. */
static bool is_unread(int fd)
{
    struct pollfd entry = {.fd = fd};
    struct timespec now = {0};
    return SYS(ppoll, &entry, 1, &now, NULL, 0) > 0 && entry.revents & POLLERR;
}

int32_t end_outstanding(const struct end *end)
{
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        if (questions[i].kind != end->kind) continue;
        int bytes = 0;
        int64_t failed = SYS(ioctl, end->fd, questions[i].question, &bytes);
        if (failed < 0) return (int32_t)failed;
        return bytes > 0 && (end->kind == SLUICE_KIND_PIPE ? is_unread(end->fd) : is_gone(end->fd)) ? -EPIPE : bytes;
    }
    return 0;
}

bool is_loss(int64_t error)
{
    switch (-error) {
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENOTCONN:
    case EPIPE: return true;
    default: return false;
    }
}
