/*
 * Very many connections that say nothing, and one that does, on both sides of a proxy.
 *
 *   crowd serve            listens, prints its port, sends back whatever comes, until stdin ends
 *   crowd hold PORT COUNT  connects COUNT times, has one byte sent back on each, and prints "idle". At each byte on stdin
 *                          one connection, another one each time, has BYTES sent back and then a byte ROUNDS times, and
 *                          "NS_OF_BYTES MEDIAN_NS" is printed. At the end of stdin each of the COUNT has one byte sent
 *                          back once more: all of them still work, or it complains. It prints the nanoseconds that took.
 *
 * The limit on open files is whoever starts it has.
 */
#define _GNU_SOURCE
#include "tcp.h"
#include "times.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CHUNK = 1 << 17, EVENTS = 256, ROUNDS = 2000, BATCH = 256 };

static const int64_t BYTES = 64 << 20;
static char chunk[CHUNK];

/* Blocking sends: who sends that much reads at the same time. */
static void send_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) return;
    if (sent > 0) bytes += sent, length -= (size_t)sent;
  }
}

static void add(int poller, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) fail("crowd: epoll_ctl");
}

static void echo(int fd) {
  ssize_t got = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
  if (got > 0) send_all(fd, chunk, (size_t)got);
  else if (got == 0 || errno != EAGAIN) close(fd);
}

static int serve(void) {
  int listener = listen_and_tell(LOOPBACK, 4096), poller = epoll_create1(0);
  add(poller, listener);
  add(poller, STDIN_FILENO);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == STDIN_FILENO) return 0;
      if (fd != listener) {
        echo(fd);
        continue;
      }
      int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
      if (accepted < 0) fail("crowd: accept");
      set_no_delay(accepted);
      add(poller, accepted);
    }
  }
}

/* A byte there and back on each of some. */
static void say(const int *fds, int count) {
  char byte = 'a';
  for (int i = 0; i < count; i++)
    send_all(fds[i], &byte, 1);
  for (int i = 0; i < count; i++)
    if (recv(fds[i], &byte, 1, MSG_WAITALL) != 1) fail("crowd: a connection is over");
}

static int64_t send_and_read(int fd) {
  int64_t sent = 0, read = 0, start = now_ns();
  while (read < BYTES) {
    struct pollfd both = {.fd = fd, .events = POLLIN | (sent < BYTES ? POLLOUT : 0)};
    if (poll(&both, 1, -1) < 0) fail("crowd: poll");
    if (both.revents & POLLOUT) {
      ssize_t n = send(fd, chunk, sizeof chunk, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) sent += n;
    }
    if (both.revents & POLLIN) {
      ssize_t n = recv(fd, NULL, sizeof chunk * 8, MSG_TRUNC | MSG_DONTWAIT);
      if (n == 0) fail("crowd: the active connection is over");
      if (n > 0) read += n;
    }
    if (sent >= BYTES && read >= sent) break;
  }
  while (read < sent) {
    ssize_t n = recv(fd, NULL, (size_t)(sent - read), MSG_TRUNC);
    if (n <= 0) fail("crowd: the active connection is over");
    read += n;
  }
  return now_ns() - start;
}

static int hold(int port, int count) {
  int *fds = calloc((size_t)count, sizeof *fds);
  static int64_t rounds[ROUNDS];
  if (!fds) fail("crowd: calloc");
  for (int done = 0; done < count; done += BATCH) {
    int some = count - done < BATCH ? count - done : BATCH;
    for (int i = 0; i < some; i++)
      fds[done + i] = connect_to(LOOPBACK, port);
    say(fds + done, some);
  }
  puts("idle");
  fflush(stdout);
  char byte;
  for (int turn = 0; read(STDIN_FILENO, &byte, 1) == 1; turn++) {
    int fd = fds[(turn * 7919) % count];
    int64_t bytes_ns = send_and_read(fd);
    for (int i = 0; i < ROUNDS; i++) {
      int64_t start = now_ns();
      say(&fd, 1);
      rounds[i] = now_ns() - start;
    }
    sort_times(rounds, ROUNDS);
    printf("%lld %lld\n", (long long)bytes_ns, (long long)rounds[ROUNDS / 2]);
    fflush(stdout);
  }
  int64_t start = now_ns();
  for (int done = 0; done < count; done += BATCH)
    say(fds + done, count - done < BATCH ? count - done : BATCH);
  printf("%lld\n", (long long)(now_ns() - start));
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "serve") == 0) return serve();
  if (argc == 4 && strcmp(argv[1], "hold") == 0) return hold(atoi(argv[2]), atoi(argv[3]));
  return fputs("usage: crowd serve | crowd hold PORT COUNT\n", stderr), 2;
}
