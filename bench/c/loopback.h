/* What the contests between senders in C share: a connection that somebody drains. Include after _GNU_SOURCE. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include "cost.h"
#include "tcp.h"
#include <sys/wait.h>
#include <unistd.h>

#define KiB 1024
#define MiB (1024 * KiB)

static int64_t cpu_ns(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return in_ns(usage.ru_utime) + in_ns(usage.ru_stime);
}

/* A connection whose other side is drained by a child until its end; it acknowledges every `answer` bytes, if that isn't 0. */
static int connect_to_drain(pid_t *child, size_t answer) {
  int port, listener = listen_on(LOOPBACK, 1, &port);
  *child = fork();
  if (*child == 0) {
    static char room[MiB];
    int peer = accept(listener, NULL, NULL);
    /* Looked at as little as a network card would: the sender is what is measured. */
    ssize_t n;
    for (size_t got = 0; (n = recv(peer, room, sizeof room, MSG_TRUNC)) > 0;)
      for (got += (size_t)n; answer > 0 && got >= answer; got -= answer)
        send(peer, "", 1, 0);
    _exit(0);
  }
  int fd = connect_to(LOOPBACK, port);
  close(listener);
  return fd;
}

#endif
