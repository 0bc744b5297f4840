/* sluice_send(): bytes from memory to a socket. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"

TEST("sluice_send() sends what the socket takes and says how much")
{
    struct pair pair = tcp_pair();
    const size_t size = 8 * MIB;
    uint8_t *bytes = malloc(size);
    pattern_fill(bytes, size, 0);
    int32_t sent = sluice_send(pair.engine, bytes, 1000, 0);
    CHECK_EQ(sent, 1000);
    sent = sluice_send(pair.engine, bytes + 1000, size - 1000, 0);
    CHECK_GE(sent, 1);
    CHECK(sent < (int32_t)size - 1000);
    while (sluice_send(pair.engine, bytes, 1, 0) == 1)
        continue;
    CHECK_EQ(sluice_send(pair.engine, bytes, 1, 0), -EAGAIN);
    free(bytes);
}

TEST("sluice_send() with more to come holds back a segment that is not full")
{
    struct pair pair = tcp_pair();
    CHECK_EQ(sluice_send(pair.engine, "head", 4, 1), 4);
    char bytes[8];
    CHECK_EQ(recv(pair.peer, bytes, sizeof bytes, MSG_DONTWAIT), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(sluice_send(pair.engine, "body", 4, 0), 4);
    CHECK_EQ(recv(pair.peer, bytes, sizeof bytes, MSG_WAITALL), 8);
}

TEST("sluice_send() does not wait on a socket in blocking mode, and raises no SIGPIPE")
{
    struct pair pair = unix_pair();
    set_blocking(pair.engine, true);
    uint8_t *bytes = calloc(1, MIB);
    while (sluice_send(pair.engine, bytes, MIB, 0) > 0)
        continue;
    CHECK_EQ(sluice_send(pair.engine, bytes, 1, 0), -EAGAIN);
    close(pair.peer);
    CHECK_EQ(sluice_send(pair.engine, bytes, 1, 0), -EPIPE);
    CHECK_EQ(sluice_send(-1, bytes, 1, 0), -EBADF);
    CHECK_EQ(sluice_send(file_of(0), bytes, 1, 0), -ENOTSOCK);
    free(bytes);
}
