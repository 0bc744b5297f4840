/*
 * Measures the time from a request to the last byte of its body, on one warm connection.
 *
 *   pinger PORT ROUNDS REQUESTS METHODS SIZE...
 *
 * A request is 8 bytes: the method's number, then the size of the body wanted (two u32, little-endian).
 * For each size, ROUNDS times, each method in turn is asked for REQUESTS bodies. One line comes out for
 * each of those blocks, "SIZE ROUND METHOD MEDIAN_NS P99_NS"; the first round warms up and is not printed.
 */
#include "tcp.h"
#include "times.h"
#include <unistd.h>

static char body[1 << 20];

static int64_t ask(int fd, uint32_t method, uint32_t size) {
  uint32_t request[2] = {method, size};
  int64_t start = now_ns();
  if (send(fd, request, sizeof request, MSG_NOSIGNAL) != sizeof request) fail("pinger: send");
  for (uint32_t missing = size; missing > 0;) {
    ssize_t got = recv(fd, body, missing < sizeof body ? missing : sizeof body, 0);
    if (got <= 0) fail("pinger: recv");
    missing -= (uint32_t)got;
  }
  return now_ns() - start;
}

int main(int argc, char **argv) {
  if (argc < 6) return fputs("usage: pinger PORT ROUNDS REQUESTS METHODS SIZE...\n", stderr), 2;
  int fd = connect_to(LOOPBACK, atoi(argv[1])), rounds = atoi(argv[2]), requests = atoi(argv[3]);
  uint32_t methods = (uint32_t)atoi(argv[4]);
  int64_t *times = malloc((size_t)requests * sizeof *times);
  if (times == NULL) fail("pinger: malloc");
  for (int s = 5; s < argc; s++) {
    uint32_t size = (uint32_t)strtoul(argv[s], NULL, 10);
    for (int round = 0; round <= rounds; round++) {
      for (uint32_t method = 0; method < methods; method++) {
        for (int i = 0; i < requests; i++)
          times[i] = ask(fd, method, size);
        sort_times(times, (size_t)requests);
        if (round > 0)
          printf("%u %d %u %lld %lld\n", size, round, method, (long long)times[requests / 2],
                 (long long)times[requests - 1 - requests / 100]);
      }
    }
  }
  free(times);
  close(fd);
  return 0;
}
