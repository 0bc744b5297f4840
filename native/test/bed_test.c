/* sluice_socket_pair() and sluice_memory_file(): what streams are tried on. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static int family_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return address.ss_family;
}

static void check_pair(int family)
{
    int32_t ends[2] = {-1, -1};
    char byte = 0;
    CHECK_EQ(sluice_socket_pair(ends), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(family_of(ends[i]), family);
        CHECK(fcntl(ends[i], F_GETFL) & O_NONBLOCK);
        CHECK(fcntl(ends[i], F_GETFD) & FD_CLOEXEC);
    }
    CHECK_EQ(write(ends[0], "x", 1), 1);
    CHECK_EQ(recv(ends[1], &byte, 1, MSG_WAITALL), 1);
    CHECK_EQ(byte, 'x');
    close(ends[0]);
    close(ends[1]);
}

TEST("sluice_socket_pair() connects two sockets over loopback and leaves nothing else open")
{
    int before = dup(0);
    close(before);
    check_pair(AF_INET);
    int after = dup(0);
    close(after);
    CHECK_EQ(after, before);
}

TEST("sluice_socket_pair() gives Unix sockets where there is no loopback")
{
    pid_t child = fork();
    if (child == 0) {
        /* A network namespace begins with its loopback down. */
        if (unshare(CLONE_NEWNET) < 0) _exit(77);
        check_pair(AF_UNIX);
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == 77) SKIP("no network namespace may be made");
    CHECK_EQ(status, 0);
}

TEST("sluice_memory_file() has the bytes that it was given, and is a regular file")
{
    uint8_t bytes[100000], read_back[sizeof bytes];
    struct stat status;
    pattern_fill(bytes, sizeof bytes, 0);
    int fd = sluice_memory_file(bytes, sizeof bytes);
    CHECK_GE(fd, 0);
    CHECK_EQ(fstat(fd, &status), 0);
    CHECK(S_ISREG(status.st_mode));
    CHECK_EQ(status.st_size, (off_t)sizeof bytes);
    CHECK_EQ(pread(fd, read_back, sizeof read_back, 0), (ssize_t)sizeof read_back);
    CHECK_EQ(memcmp(bytes, read_back, sizeof bytes), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    close(fd);
}
