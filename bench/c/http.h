/* What the HTTP clients have in common: a request, and the head of its answer. */
#ifndef SLUICE_BENCH_HTTP_H
#define SLUICE_BENCH_HTTP_H

#include "tcp.h"
#include <string.h>

enum { DISCARD_BYTES = 8 << 20, HEAD_BYTES = 16384 };

/* 0, or -1 when the request could not be sent in one go. */
static int http_ask(int fd, const char *path) {
  char request[1024];
  int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
  if (length >= (int)sizeof request) return -1;
  return send(fd, request, (size_t)length, MSG_NOSIGNAL) == length ? 0 : -1;
}

enum { HTTP_CHUNKED = -2 };

/* Reads a head and answers how many bytes of its body are still to come, HTTP_CHUNKED, or -1. Nothing is pipelined behind it. */
static long long http_head(int fd) {
  char head[HEAD_BYTES + 1];
  size_t have = 0;
  for (;;) {
    ssize_t got = recv(fd, head + have, HEAD_BYTES - have, 0);
    if (got <= 0) return -1;
    have += (size_t)got;
    head[have] = 0;
    char *end = memmem(head, have, "\r\n\r\n", 4);
    if (end) {
      char *length = strcasestr(head, "\r\ncontent-length:");
      if (strncmp(head, "HTTP/1.1 200 ", 13) != 0) return -1;
      char *chunked = strcasestr(head, "\r\ntransfer-encoding: chunked");
      if (chunked && chunked < end) return HTTP_CHUNKED;
      if (!length || length > end) return -1;
      return atoll(length + 17) - (head + have - (end + 4));
    }
    if (have == HEAD_BYTES) return -1;
  }
}

/* Discards the rest of a body inside the kernel (MSG_TRUNC). 0, or -1 when it broke off. */
static int http_drain(int fd, long long missing) {
  while (missing > 0) {
    ssize_t got = recv(fd, NULL, missing < DISCARD_BYTES ? (size_t)missing : DISCARD_BYTES, MSG_TRUNC);
    if (got <= 0) return -1;
    missing -= got;
  }
  return 0;
}

#endif
