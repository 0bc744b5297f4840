/* Calls on descriptors that the runtimes don't have. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "../include/sluice.h"
#include "sys.h"

#ifndef SYS_faccessat2
#define SYS_faccessat2 439 /* Linux 5.8; the same on all machines */
#endif

int32_t sluice_send(int32_t socket, void *bytes, uint32_t length, uint32_t more)
{
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    int64_t sent;
    do
        sent = SYS(sendto, socket, bytes, (size_t)length, flags, NULL, 0);
    while (sent == -EINTR);
    return (int32_t)sent;
}

int32_t sluice_shutdown(int32_t socket, uint32_t how)
{
    return (int32_t)SYS(shutdown, socket, (int)how);
}

/*
 * By path, for kernels before 5.8 and filters that don't know faccessat2(2). faccessat(2) goes by the real user's
 * rights, and needs /proc: where that is another user, or /proc is missing, the open will tell.
 */
static int64_t access_by_path(int fd, uint32_t mode)
{
    if (SYS(getuid) != SYS(geteuid)) return 0;
    char own[32];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    int64_t answer = SYS(faccessat, AT_FDCWD, own, mode);
    return answer == -ENOENT ? 0 : answer;
}

int32_t sluice_access(int32_t fd, uint32_t mode)
{
    int64_t answer = SYS(faccessat2, fd, "", mode, AT_EMPTY_PATH | AT_EACCESS);
    return (int32_t)(answer == -ENOSYS || answer == -EPERM ? access_by_path(fd, mode) : answer);
}

_Atomic int32_t kept_fds;

int32_t sluice_duplicate(int32_t fd)
{
    return (int32_t)SYS(fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

/* getrlimit(2)'s number and the kernel's own record: the C library's depend on how it was compiled. */
enum { OPEN_FILES = 7 };

struct limit {
    uint64_t soft, hard;
};

int32_t sluice_allow_files(uint32_t wanted)
{
    struct limit limit;
    int64_t failed = SYS(prlimit64, 0, OPEN_FILES, NULL, &limit);
    if (failed < 0 || limit.soft >= wanted) return (int32_t)failed;
    limit.soft = wanted;
    if (limit.hard < wanted) limit.hard = wanted;
    return (int32_t)SYS(prlimit64, 0, OPEN_FILES, &limit, NULL);
}
