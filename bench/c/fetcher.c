/*
 * The other end of every sender: asks for bodies on one connection, one after the other.
 *
 *   fetcher PORT REQUESTS BYTES [PATH [ADDRESS]]
 *
 * It asks by HTTP/1.1 for PATH; by the plain protocol of sender.c where that is "-" or missing; not at all, and just
 * takes the bytes, where it is "=". It discards inside the
 * kernel (MSG_TRUNC), so that it is never the bottleneck and the same for all. Prints
 * "TOTAL_NS MEDIAN_NS P99_NS" of the requests, each from its first byte sent to the last byte taken.
 */
#define _GNU_SOURCE
#include "http.h"
#include "times.h"

/*
 * Discards a body in chunks, of which some may have come with its head. Nothing is pipelined, so it ends where a read ends
 * with the last chunk. 0, or -1 when it broke off. The payload is longer than the head's buffer,
 * and before that much has come no read ends it.
 */
static int drain_chunks(int fd, uint64_t least) {
  static const char last[] = "\r\n0\r\n\r\n";
  enum { LAST = sizeof last - 1 };
  static char bytes[LAST + (1 << 18)];
  uint64_t have = HEAD_BYTES;
  for (;;) {
    ssize_t got = recv(fd, bytes + LAST, sizeof bytes - LAST, 0);
    if (got <= 0) return -1;
    have += (uint64_t)got;
    memmove(bytes, bytes + got, LAST);
    if (have >= least && memcmp(bytes, last, LAST) == 0) return 0;
  }
}

static int fetch(int fd, const char *path, uint64_t bytes) {
  if (path && strcmp(path, "=") == 0) return http_drain(fd, (long long)bytes);
  if (!path)
    return send(fd, &bytes, sizeof bytes, MSG_NOSIGNAL) == sizeof bytes ? http_drain(fd, (long long)bytes) : -1;
  if (http_ask(fd, path) < 0) return -1;
  long long missing = http_head(fd);
  if (missing == HTTP_CHUNKED) return drain_chunks(fd, bytes);
  return missing < 0 ? -1 : http_drain(fd, missing);
}

int main(int argc, char **argv) {
  if (argc < 4) return fputs("usage: fetcher PORT REQUESTS BYTES [PATH [ADDRESS]]\n", stderr), 2;
  int requests = atoi(argv[2]);
  uint64_t bytes = strtoull(argv[3], NULL, 10);
  const char *path = argc > 4 && strcmp(argv[4], "-") != 0 ? argv[4] : NULL;
  int fd = connect_to(argc > 5 ? argv[5] : LOOPBACK, atoi(argv[1]));
  int64_t *times = malloc((size_t)requests * sizeof *times), total = 0;
  if (!times || requests < 1) return fputs("fetcher: no requests\n", stderr), 1;
  for (int i = 0; i < requests; i++) {
    int64_t start = now_ns();
    if (fetch(fd, path, bytes) < 0)
      return fprintf(stderr, "fetcher: request %d of %llu bytes broke off\n", i, (unsigned long long)bytes), 1;
    total += times[i] = now_ns() - start;
  }
  sort_times(times, (size_t)requests);
  printf("%lld %lld %lld\n", (long long)total, (long long)times[requests / 2],
         (long long)times[requests - 1 - requests / 100]);
  return 0;
}
