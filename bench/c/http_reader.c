/*
 * A client that drains what an HTTP/1.1 server sends.
 *
 *   http_reader PORT PATH...
 *
 * Asks for each PATH in turn on one connection, and for the next when the body before is complete. It discards
 * bodies inside the kernel, as reader.c does, and prints the nanoseconds from the first request to the last byte.
 */
#define _GNU_SOURCE
#include "http.h"
#include "times.h"

int main(int argc, char **argv) {
  if (argc < 3) return fputs("usage: http_reader PORT PATH...\n", stderr), 2;
  int fd = connect_to(LOOPBACK, atoi(argv[1]));
  int64_t start = now_ns();
  for (int i = 2; i < argc; i++) {
    if (http_ask(fd, argv[i]) < 0) return fprintf(stderr, "http_reader: cannot ask for %s\n", argv[i]), 1;
    long long missing = http_head(fd);
    if (missing < 0) return fprintf(stderr, "http_reader: no proper answer to %s\n", argv[i]), 1;
    if (http_drain(fd, missing) < 0) return fprintf(stderr, "http_reader: %s broke off\n", argv[i]), 1;
  }
  printf("%lld\n", (long long)(now_ns() - start));
  return 0;
}
