/* A server for a measurement: a thread for each connection, until stdin ends. */
#ifndef PEERS_H
#define PEERS_H

#include "tcp.h"
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

static void *end_with_stdin(void *argument) {
  char byte;
  (void)argument;
  while (read(0, &byte, 1) > 0)
    continue;
  exit(0);
}

/* `serve_one` is given the descriptor of a connection, which it closes. */
_Noreturn static inline void serve_each(void *(*serve_one)(void *)) {
  pthread_t thread;
  int listener = listen_and_tell(LOOPBACK, 4096);
  pthread_create(&thread, NULL, end_with_stdin, NULL);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) continue;
    pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd);
    pthread_detach(thread);
  }
}

#endif
