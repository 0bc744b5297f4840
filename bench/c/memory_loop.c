/*
 * The yardstick of memory as a source: each mechanism with nothing around it, and the reader of a pipe.
 *
 *   memory_loop socket|pipe copy|reference SIZE:COUNT...
 *   memory_loop drain read|splice SIZE:COUNT...
 *
 * `socket` listens (its port on the first line) and takes one connection; `pipe` writes to its standard output and is
 * answered on its standard input. Both send COUNT times SIZE bytes of memory, by write(2), or by MSG_ZEROCOPY and
 * vmsplice(2), await a byte from the peer after each and, where the memory is referred to, the kernel's notices. For each
 * SIZE:COUNT a line on standard error: "WALL_NS CPU_NS COPIED", COPIED being how many notices said so.
 * `drain` is the other end of a pipe: reads, or splices to /dev/null, and answers on its standard output.
 */
#define _GNU_SOURCE
#include "tcp.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SEND_BYTES = 1 << 20, PIPE_BYTES = 1 << 20 };

static int64_t clock_ns(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int listen_and_accept(void) {
  int listener = listen_and_tell(ANY_ADDRESS, 1), fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) fail("accept");
  set_no_delay(fd);
  close(listener);
  return fd;
}

static void await_byte(int fd) {
  char answer;
  if (read(fd, &answer, 1) != 1) fail("read");
}

/* Takes notices until all `sends` have theirs; how many of them were copied. */
static int await_notices(int fd, uint32_t sends) {
  uint32_t noticed = 0;
  int copied = 0;
  while (noticed < sends) {
    char control[128];
    struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
      if (errno != EAGAIN) fail("recvmsg");
      struct pollfd entry = {.fd = fd};
      poll(&entry, 1, -1);
      continue;
    }
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
      struct sock_extended_err notice;
      memcpy(&notice, CMSG_DATA(header), sizeof notice);
      if (notice.ee_origin != SO_EE_ORIGIN_ZEROCOPY) continue;
      uint32_t count = notice.ee_data - notice.ee_info + 1;
      noticed += count;
      if (notice.ee_code & SO_EE_CODE_ZEROCOPY_COPIED) copied += (int)count;
    }
  }
  return copied;
}

static int send_socket(int fd, const char *bytes, size_t size, int reference) {
  uint32_t sends = 0;
  for (size_t at = 0; at < size;) {
    size_t want = size - at < SEND_BYTES ? size - at : SEND_BYTES;
    ssize_t n = send(fd, bytes + at, want, MSG_NOSIGNAL | (reference ? MSG_ZEROCOPY : 0));
    if (n < 0 && errno == ENOBUFS && sends > 0) {
      await_notices(fd, sends);
      sends = 0;
      continue;
    }
    if (n < 0) fail("send");
    at += (size_t)n;
    sends++;
  }
  await_byte(fd);
  return reference ? await_notices(fd, sends) : 0;
}

static int send_pipe(const char *bytes, size_t size, int reference) {
  for (size_t at = 0; at < size;) {
    struct iovec slice = {.iov_base = (char *)bytes + at, .iov_len = size - at};
    ssize_t n = reference ? vmsplice(STDOUT_FILENO, &slice, 1, 0) : write(STDOUT_FILENO, bytes + at, size - at);
    if (n < 0) fail("write");
    at += (size_t)n;
  }
  await_byte(STDIN_FILENO);
  return 0;
}

static int drain(const char *mode, int argc, char **argv) {
  int sink = open("/dev/null", O_WRONLY | O_CLOEXEC), splices = strcmp(mode, "splice") == 0;
  static char buffer[1 << 18];
  for (int i = 0; i < argc; i++) {
    char *rest;
    size_t size = strtoull(argv[i], &rest, 10);
    for (long count = atol(rest + 1); count > 0; count--) {
      for (size_t missing = size; missing > 0;) {
        size_t want = missing < sizeof buffer ? missing : sizeof buffer;
        ssize_t n = splices ? splice(STDIN_FILENO, NULL, sink, NULL, missing, 0) : read(STDIN_FILENO, buffer, want);
        if (n < 0) fail("drain");
        if (n == 0) return fputs("memory_loop: the sender closed too early\n", stderr), 1;
        missing -= (size_t)n;
      }
      if (write(STDOUT_FILENO, "k", 1) != 1) fail("write");
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 4) return fputs("usage: memory_loop socket|pipe|drain HOW SIZE:COUNT...\n", stderr), 2;
  if (strcmp(argv[1], "drain") == 0) return drain(argv[2], argc - 3, argv + 3);
  int is_socket = strcmp(argv[1], "socket") == 0, reference = strcmp(argv[2], "reference") == 0, on = 1;
  int peer = is_socket ? listen_and_accept() : -1;
  if (is_socket && reference && setsockopt(peer, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on) < 0) fail("SO_ZEROCOPY");
  if (!is_socket) fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
  for (int i = 3; i < argc; i++) {
    char *rest;
    size_t size = strtoull(argv[i], &rest, 10);
    long count = atol(rest + 1), copied = 0;
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) fail("mmap");
    memset(bytes, 1, size);
    int64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), wall = clock_ns(CLOCK_MONOTONIC);
    for (long each = 0; each < count; each++)
      copied += is_socket ? send_socket(peer, bytes, size, reference) : send_pipe(bytes, size, reference);
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = clock_ns(CLOCK_MONOTONIC) - wall;
    fprintf(stderr, "%lld %lld %ld\n", (long long)wall, (long long)cpu, copied);
    munmap(bytes, size);
  }
  return 0;
}
