/*
 * A client that drains what an HTTP/1.1 server sends: the counterpart of reader.c for Bun.serve.
 *
 *   http_reader PORT PATH...
 *
 * Asks for each PATH in turn on one connection, and for the next when the body before is complete.
 * It discards bodies inside the kernel (MSG_TRUNC), as reader.c does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { DISCARD_BYTES = 8 << 20, HEAD_BYTES = 16384 };

static int fail(const char *what) {
  perror(what);
  return 1;
}

static int connect_to(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) return -1;
  int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) return -1;
  return fd;
}

/* Reads a head and answers how many bytes of its body are still to come, or -1. Nothing is pipelined behind it. */
static long long read_head(int fd) {
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
      if (strncmp(head, "HTTP/1.1 200 ", 13) != 0 || !length || length > end) return -1;
      return atoll(length + 17) - (head + have - (end + 4));
    }
    if (have == HEAD_BYTES) return -1;
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return fputs("usage: http_reader PORT PATH...\n", stderr), 2;
  int fd = connect_to(atoi(argv[1]));
  if (fd < 0) return fail("http_reader: connect");
  for (int i = 2; i < argc; i++) {
    char request[1024];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[i]);
    if (length >= (int)sizeof request) return fputs("http_reader: the path is too long\n", stderr), 2;
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length) return fail("http_reader: send");
    long long missing = read_head(fd);
    if (missing < 0) return fprintf(stderr, "http_reader: no proper answer to %s\n", argv[i]), 1;
    while (missing > 0) {
      ssize_t got = recv(fd, NULL, missing < DISCARD_BYTES ? (size_t)missing : DISCARD_BYTES, MSG_TRUNC);
      if (got < 0) return fail("http_reader: recv");
      if (got == 0) return fputs("http_reader: the server closed too early\n", stderr), 1;
      missing -= got;
    }
  }
  return 0;
}
