/*
 * The yardstick: what sendfile(2) costs with nothing around it.
 *
 *   sendfile_loop FILE CHUNK nonblocking|blocking BYTES...
 *
 * Listens on a port of 127.0.0.1 (printed on the first line), takes one connection and sends BYTES[0]
 * bytes of FILE, BYTES[1] bytes and so on, at most CHUNK a call, awaiting one byte from the peer after each.
 * Prints "CPU_NS WALL_NS SYSCALLS" of the last of them, until its acknowledgement.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ns(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int fail(const char *what) {
  perror(what);
  exit(1);
}

static int listen_and_accept(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0) fail("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &size) < 0) fail("getsockname");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) fail("accept");
  return fd;
}

static void wait_for(int fd, short events) {
  struct pollfd one = {.fd = fd, .events = events};
  while (poll(&one, 1, -1) < 0)
    if (errno != EINTR) fail("poll");
}

static long send_range(int file, int peer, int64_t bytes, size_t chunk) {
  long calls = 0;
  for (off_t offset = 0; offset < bytes;) {
    size_t want = (size_t)(bytes - offset) < chunk ? (size_t)(bytes - offset) : chunk;
    ssize_t sent = sendfile(peer, file, &offset, want);
    calls++;
    if (sent > 0 || (sent < 0 && errno == EINTR)) continue;
    if (sent == 0) return fputs("sendfile_loop: the file is too short\n", stderr), exit(1), 0;
    if (errno != EAGAIN) fail("sendfile");
    wait_for(peer, POLLOUT);
    calls++;
  }
  wait_for(peer, POLLIN);
  char answer;
  if (read(peer, &answer, 1) != 1) fail("read");
  return calls + 2;
}

int main(int argc, char **argv) {
  if (argc < 5) return fputs("usage: sendfile_loop FILE CHUNK nonblocking|blocking BYTES...\n", stderr), 2;
  int file = open(argv[1], O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("open");
  size_t chunk = (size_t)strtoull(argv[2], NULL, 10);
  int peer = listen_and_accept();
  if (strcmp(argv[3], "nonblocking") == 0 && fcntl(peer, F_SETFL, O_RDWR | O_NONBLOCK) < 0) fail("fcntl");
  int64_t cpu = 0, wall = 0;
  long calls = 0;
  for (int i = 4; i < argc; i++) {
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    wall = clock_ns(CLOCK_MONOTONIC);
    calls = send_range(file, peer, strtoll(argv[i], NULL, 10), chunk);
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = clock_ns(CLOCK_MONOTONIC) - wall;
  }
  printf("%lld %lld %ld\n", (long long)cpu, (long long)wall, calls);
  return 0;
}
