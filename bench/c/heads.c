/*
 * A head of 200 bytes and a body from a file, as one answer after another on a warm connection, each acknowledged before
 * the next: what keeps both in one segment, and what that costs. The ways take turns.
 *
 *   heads FILE BODY ANSWERS ROUNDS
 *
 * Prints for every round and way "WAY WALL_NS CPU_NS SEGMENTS" of all answers.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "loopback.h"

#define HEAD 200
static char head[HEAD];

static void cork(int peer, int on) {
  setsockopt(peer, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

static void body_by_sendfile(int file, int peer, size_t length) {
  off_t offset = 0;
  while (offset < (off_t)length)
    if (sendfile(peer, file, &offset, length - (size_t)offset) <= 0) fail("sendfile");
}

static void apart(int file, int peer, size_t length) {
  if (send(peer, head, HEAD, 0) != HEAD) fail("send");
  body_by_sendfile(file, peer, length);
}

static void msg_more(int file, int peer, size_t length) {
  if (send(peer, head, HEAD, MSG_MORE) != HEAD) fail("send");
  body_by_sendfile(file, peer, length);
}

static void tcp_cork(int file, int peer, size_t length) {
  cork(peer, 1);
  apart(file, peer, length);
  cork(peer, 0);
}

static void sendmsg_copy(int file, int peer, size_t length) {
  static char body[MiB];
  if (pread(file, body, length, 0) != (ssize_t)length) fail("pread");
  struct iovec parts[] = {{head, HEAD}, {body, length}};
  if (writev(peer, parts, 2) != (ssize_t)(HEAD + length)) fail("writev");
}

static const struct way {
  const char *name;
  void (*answer)(int file, int peer, size_t length);
} ways[] = {{"apart", apart}, {"msg-more", msg_more}, {"tcp-cork", tcp_cork}, {"read-writev", sendmsg_copy}};

static long segments(int peer) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  return getsockopt(peer, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? (long)info.tcpi_data_segs_out : -1;
}

int main(int argc, char **argv) {
  if (argc != 5 || atol(argv[2]) > MiB) {
    fprintf(stderr, "usage: heads FILE BODY ANSWERS ROUNDS (bodies up to 1 MiB)\n");
    return 2;
  }
  int file = open(argv[1], O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(argv[1]);
  for (int round = 0; round < atoi(argv[4]); round++)
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
      pid_t child;
      int peer = connect_to_drain(&child, HEAD + (size_t)atol(argv[2]));
      int64_t wall = now_ns(), cpu = cpu_ns();
      for (int n = 0; n < atoi(argv[3]); n++) {
        char acknowledged;
        ways[i].answer(file, peer, (size_t)atol(argv[2]));
        if (recv(peer, &acknowledged, 1, 0) != 1) fail("recv");
      }
      wall = now_ns() - wall;
      cpu = cpu_ns() - cpu;
      printf("%s %lld %lld %ld\n", ways[i].name, (long long)wall, (long long)cpu, segments(peer));
      fflush(stdout);
      close(peer);
      waitpid(child, NULL, 0);
    }
  return 0;
}
