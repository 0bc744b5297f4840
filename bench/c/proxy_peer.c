/*
 * Both peers of a proxy under measurement.
 *
 *   proxy_peer serve                          listens, prints its port, and serves until stdin ends
 *   proxy_peer bulk PORT CONNECTIONS BYTES    downloads BYTES on each of CONNECTIONS
 *   proxy_peer ping PORT SIZE ROUNDS          sends SIZE bytes and awaits them back
 *
 * The last two print "TOTAL_NS MEDIAN_NS", the median of the downloads or of the rounds.
 *
 * A connection begins with 8 bytes (u64): how many to send, or 0 to echo whatever comes. Downloads are discarded inside
 * the kernel (MSG_TRUNC), so that the peers are never the bottleneck and the same for all proxies.
 */
#include "peers.h"
#include "times.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 18, MAX_CONNECTIONS = 1024, DISCARD_BYTES = 8 << 20 };

static char zeros[CHUNK];

static void *serve_one(void *argument) {
  int fd = (int)(intptr_t)argument;
  static __thread char bytes[65536];
  uint64_t wanted;
  set_no_delay(fd);
  while (recv(fd, &wanted, sizeof wanted, MSG_WAITALL) == sizeof wanted) {
    if (wanted == 0)
      for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;)
        if (send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n) break;
    while (wanted > 0) {
      ssize_t n = send(fd, zeros, wanted < CHUNK ? wanted : CHUNK, MSG_NOSIGNAL);
      if (n <= 0) break;
      wanted -= (uint64_t)n;
    }
  }
  close(fd);
  return NULL;
}

static void begin(int fd, uint64_t wanted) {
  if (send(fd, &wanted, sizeof wanted, MSG_NOSIGNAL) != sizeof wanted) fail("send");
}

static int bulk(int port, int connections, long long bytes) {
  static struct pollfd fds[MAX_CONNECTIONS];
  static long long missing[MAX_CONNECTIONS];
  if (connections < 1 || connections > MAX_CONNECTIONS) return fputs("too many connections\n", stderr), 2;
  for (int i = 0; i < connections; i++)
    fds[i] = (struct pollfd){.fd = connect_to(LOOPBACK, port), .events = POLLIN};
  int64_t start = now_ns(), median = 0;
  for (int i = 0; i < connections; i++)
    begin(fds[i].fd, (uint64_t)(missing[i] = bytes));
  for (int left = connections; left > 0;) {
    if (poll(fds, (nfds_t)connections, -1) < 0) fail("poll");
    for (int i = 0; i < connections; i++) {
      if (!(fds[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
      ssize_t n = recv(fds[i].fd, NULL, DISCARD_BYTES, MSG_TRUNC | MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) continue;
      if (n <= 0) fail("recv");
      if ((missing[i] -= n) > 0) continue;
      fds[i].fd = ~fds[i].fd;
      if (--left == connections / 2) median = now_ns() - start;
    }
  }
  printf("%lld %lld\n", (long long)(now_ns() - start), (long long)median);
  return 0;
}

static int ping(int port, size_t size, int rounds) {
  static char bytes[65536];
  int64_t *times = calloc((size_t)rounds, sizeof *times);
  int fd = connect_to(LOOPBACK, port);
  begin(fd, 0);
  if (!times || size > sizeof bytes) return 2;
  int64_t total = now_ns();
  for (int i = 0; i < rounds; i++) {
    int64_t start = now_ns();
    if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) fail("send");
    if (recv(fd, bytes, size, MSG_WAITALL) != (ssize_t)size) fail("recv");
    times[i] = now_ns() - start;
  }
  total = now_ns() - total;
  sort_times(times, (size_t)rounds);
  printf("%lld %lld\n", (long long)total, (long long)times[rounds / 2]);
  return 0;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc == 2 && strcmp(argv[1], "serve") == 0) serve_each(serve_one);
  if (argc == 5 && strcmp(argv[1], "bulk") == 0) return bulk(atoi(argv[2]), atoi(argv[3]), atoll(argv[4]));
  if (argc == 5 && strcmp(argv[1], "ping") == 0) return ping(atoi(argv[2]), (size_t)atol(argv[3]), atoi(argv[4]));
  return fputs("usage: proxy_peer serve | bulk PORT CONNECTIONS BYTES | ping PORT SIZE ROUNDS\n", stderr), 2;
}
