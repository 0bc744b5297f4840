/* What the contests between senders in C share: a connection that somebody drains. Include after _GNU_SOURCE. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include "cost.h"
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define KiB 1024
#define MiB (1024 * KiB)

static int64_t cpu_ns(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return in_ns(usage.ru_utime) + in_ns(usage.ru_stime);
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* A connection whose other side is drained by a child until its end; it acknowledges every `answer` bytes, if that isn't 0. */
static int connect_to_drain(pid_t *child, size_t answer) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0) fail("listen");
  getsockname(listener, (struct sockaddr *)&address, &size);
  *child = fork();
  if (*child == 0) {
    static char room[MiB];
    int peer = accept(listener, NULL, NULL);
    /* Looked at as little as a network card would: the sender is what is measured. */
    ssize_t n;
    for (size_t got = 0; (n = recv(peer, room, sizeof room, MSG_TRUNC)) > 0;)
      for (got += (size_t)n; answer > 0 && got >= answer; got -= answer) send(peer, "", 1, 0);
    _exit(0);
  }
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&address, size) < 0) fail("connect");
  close(listener);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

#endif
