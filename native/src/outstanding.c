/* What a target has taken and still holds. */
#include <asm/ioctls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "job.h"

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

/* A pipe keeps what nobody can read any more until its last writer goes. */
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
