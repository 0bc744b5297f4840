/* TCP over IPv4. Small packets go at once. */
#ifndef TCP_H
#define TCP_H

#include "fail.h"
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <sys/socket.h>

static inline void set_no_delay(int fd) {
  int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) fail("TCP_NODELAY");
}

static inline struct sockaddr_in address_of(const char *host, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) exit((fprintf(stderr, "%s is not an IPv4 address\n", host), 2));
  return address;
}

/* A listening socket, and the port that the system has chosen. */
static inline int listen_on(const char *host, int backlog, int *port) {
  struct sockaddr_in address = address_of(host, 0);
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, backlog) < 0)
    fail("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &size) < 0) fail("getsockname");
  *port = ntohs(address.sin_port);
  return listener;
}

/* Prints the port of a new listening socket. */
static inline int listen_and_tell(const char *host, int backlog) {
  int port, listener = listen_on(host, backlog, &port);
  printf("%d\n", port);
  fflush(stdout);
  return listener;
}

/* `receive_buffer` in bytes, 0 for the system's own choice; a size only counts when it is set before connect(2). */
static inline int connect_with(const char *host, int port, int receive_buffer) {
  struct sockaddr_in address = address_of(host, port);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (receive_buffer > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) < 0)
    fail("SO_RCVBUF");
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
  set_no_delay(fd);
  return fd;
}

static inline int connect_to(const char *host, int port) {
  return connect_with(host, port, 0);
}

#define LOOPBACK "127.0.0.1"
#define ANY_ADDRESS "0.0.0.0"

#endif
