/*
 * A peer that sends urgent data, which no module of Node's can: urgent PORT|PATH SCORE connects and does what the score says,
 * a letter at a time.
 *   -  a piece of the stream        L  a large one
 *   !  a byte of urgent data
 *   w  waits for a byte on stdin    a  waits until all that was sent has been acknowledged
 *   f  ends the stream              r  resets the connection
 * It stays until its peer has ended, and fails where it couldn't do something.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

/* The numbers are those of urgent-peer.ts. Bytes of the stream are odd, those that are urgent are not. */
enum { PIECE = 20000, LARGE = 50 * PIECE, MARK = 0x20 };

static void need(int ok, const char *what)
{
    if (ok) return;
    perror(what);
    exit(1);
}

static int dial(const char *where)
{
    struct sockaddr_in port = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    int is_path = where[0] == '/';
    port.sin_port = htons((uint16_t)atoi(where));
    snprintf(path.sun_path, sizeof path.sun_path, "%s", where);
    int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    int failed = is_path ? connect(fd, (struct sockaddr *)&path, sizeof path)
                         : connect(fd, (struct sockaddr *)&port, sizeof port);
    need(failed == 0, "connect");
    return fd;
}

static void send_piece(int fd, int size)
{
    static unsigned at;
    static unsigned char bytes[LARGE];
    for (int i = 0; i < size; i++, at++)
        bytes[i] = (unsigned char)((at ^ at >> 7 ^ at >> 13) | 1);
    for (int sent = 0; sent < size;) {
        ssize_t n = send(fd, bytes + sent, (size_t)(size - sent), MSG_NOSIGNAL);
        need(n > 0, "send");
        sent += (int)n;
    }
}

static void act(int fd, char what)
{
    const char mark = MARK;
    struct linger linger = {.l_onoff = 1};
    int held = 1;
    char byte;
    switch (what) {
    case '-': send_piece(fd, PIECE); break;
    case 'L': send_piece(fd, LARGE); break;
    case '!': need(send(fd, &mark, 1, MSG_OOB | MSG_NOSIGNAL) == 1, "send(MSG_OOB)"); break;
    case 'w': need(read(0, &byte, 1) == 1, "stdin"); break;
    case 'f': need(shutdown(fd, SHUT_WR) == 0, "shutdown"); break;
    case 'r':
        need(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0, "SO_LINGER");
        close(fd);
        exit(0);
    case 'a':
        while (need(ioctl(fd, TIOCOUTQ, &held) == 0, "SIOCOUTQ"), held > 0)
            usleep(500);
        break;
    default: exit(2);
    }
}

int main(int count, char **arguments)
{
    char byte;
    if (count != 3) return 2;
    int fd = dial(arguments[1]);
    for (const char *score = arguments[2]; *score; score++)
        act(fd, *score);
    while (read(fd, &byte, 1) > 0)
        ;
    return 0;
}
