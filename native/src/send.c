/* Bytes from memory to a socket, and its end. */
#include <sys/socket.h>

#include "../include/sluice.h"
#include "sys.h"

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
