/* What a runtime's own streams are tried on: a connection to itself, and a file in memory. */
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../include/sluice.h"
#include "sys.h"

/* Longest wait for a connection over loopback, which is made in microseconds where nothing filters it. */
#define CONNECT_MS 20

static int64_t await(int fd, short events)
{
    struct pollfd entry = {.fd = fd, .events = events};
    struct timespec timeout = {.tv_nsec = CONNECT_MS * 1000000};
    int64_t ready = SYS(ppoll, &entry, 1, &timeout, NULL, 0);
    return ready == 0 ? -ETIMEDOUT : ready;
}

static int64_t listen_on_loopback(int listener, struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int64_t failed = SYS(bind, listener, address, length);
    if (failed == 0) failed = SYS(listen, listener, 1);
    if (failed == 0) failed = SYS(getsockname, listener, address, &length);
    return failed;
}

static int64_t connect_to(int fd, const struct sockaddr_in *address)
{
    int64_t answer = SYS(connect, fd, address, sizeof *address);
    if (answer != -EINPROGRESS) return answer;
    answer = await(fd, POLLOUT);
    return answer < 0 ? answer : 0;
}

/* The connection that was accepted, which has to be the one that `ours` made: any process may connect to a listener. */
static int64_t accept_ours(int listener, int ours)
{
    struct sockaddr_in mine, theirs;
    socklen_t length = sizeof mine;
    int64_t ready = await(listener, POLLIN);
    if (ready < 0) return ready;
    int64_t accepted = SYS(accept4, listener, &theirs, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return accepted;
    length = sizeof mine;
    int64_t failed = SYS(getsockname, ours, &mine, &length);
    if (failed == 0 && mine.sin_port == theirs.sin_port && mine.sin_addr.s_addr == theirs.sin_addr.s_addr)
        return accepted;
    SYS(close, (int)accepted);
    return failed < 0 ? failed : -ECONNREFUSED;
}

static int64_t loopback_pair(int32_t *ends)
{
    struct sockaddr_in address;
    int listener = (int)keep_fd(SYS(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int ours = (int)keep_fd(SYS(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int64_t answer = listener < 0 ? listener : ours < 0 ? ours : listen_on_loopback(listener, &address);
    if (answer == 0) answer = connect_to(ours, &address);
    if (answer == 0) answer = accept_ours(listener, ours);
    close_fd(&listener);
    if (answer < 0) {
        close_fd(&ours);
        return answer;
    }
    ends[0] = give_fd(ours);
    ends[1] = (int32_t)answer;
    return 0;
}

int32_t sluice_socket_pair(void *ends)
{
    if (loopback_pair(ends) == 0) return 0;
    /* No loopback in this network namespace, or a filter in front of it. */
    return (int32_t)SYS(socketpair, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

int32_t sluice_memory_file(void *bytes, uint32_t length)
{
    int fd = (int)keep_fd(SYS(memfd_create, "sluice", MFD_CLOEXEC));
    if (fd < 0) return fd;
    for (uint32_t at = 0; at < length;) {
        int64_t n = SYS(pwrite64, fd, (char *)bytes + at, (size_t)(length - at), (int64_t)at);
        if (n == -EINTR) continue;
        if (n <= 0) {
            close_fd(&fd);
            return n == 0 ? -EIO : (int32_t)n;
        }
        at += (uint32_t)n;
    }
    return give_fd(fd);
}
