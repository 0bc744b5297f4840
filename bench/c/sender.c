/*
 * The yardsticks: what each mechanism costs with nothing around it.
 *
 *   sender FILE MECHANISM [ADDRESS]
 *
 * Listens on a port of ADDRESS (127.0.0.1 unless given; the port is printed) and serves one connection after
 * another until it is killed. A request is a number of bytes (u64, little-endian); the answer is that much of
 * FILE from its start. FILE is open before anybody asks, as with every contender.
 *
 * Mechanisms: sendfile (one blocking call), sendfile-poll (non-blocking, 2 MiB a call, poll(2) in between),
 * splice (through a pipe of 1 MiB), mapped (mmap(2), one write(2), munmap(2)), buffered (read(2) and write(2),
 * 128 KiB at a time), zerocopy (MSG_ZEROCOPY from a mapping; at the end of a connection it prints
 * "copied N of M", what the kernel says of its notifications).
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
#include <sys/sendfile.h>
#include <unistd.h>

enum { CHUNK = 2 << 20, PIPE_BYTES = 1 << 20, BUFFER_BYTES = 128 << 10, PINNED_BYTES = 256 << 10 };

static int file;
static int relay[2];
static char *buffer;
static uint64_t notices, notices_copied;

static size_t least(uint64_t a, uint64_t b) {
  return (size_t)(a < b ? a : b);
}

static void wait_for(int fd, short events) {
  struct pollfd one = {.fd = fd, .events = events};
  while (poll(&one, 1, -1) < 0)
    if (errno != EINTR) fail("poll");
}

static void write_all(int fd, const char *from, size_t bytes) {
  while (bytes > 0) {
    ssize_t sent = write(fd, from, bytes);
    if (sent < 0) fail("write");
    from += sent;
    bytes -= (size_t)sent;
  }
}

static void by_sendfile(int peer, uint64_t bytes) {
  for (off_t offset = 0; (uint64_t)offset < bytes;)
    if (sendfile(peer, file, &offset, bytes - (uint64_t)offset) <= 0) fail("sendfile");
}

static void by_sendfile_poll(int peer, uint64_t bytes) {
  for (off_t offset = 0; (uint64_t)offset < bytes;) {
    ssize_t sent = sendfile(peer, file, &offset, least(bytes - (uint64_t)offset, CHUNK));
    if (sent > 0) continue;
    if (sent == 0 || errno != EAGAIN) fail("sendfile");
    wait_for(peer, POLLOUT);
  }
}

static void by_splice(int peer, uint64_t bytes) {
  for (off64_t offset = 0; bytes > 0;) {
    ssize_t inside = splice(file, &offset, relay[1], NULL, least(bytes, PIPE_BYTES), 0);
    if (inside <= 0) fail("splice from the file");
    bytes -= (uint64_t)inside;
    while (inside > 0) {
      ssize_t sent = splice(relay[0], NULL, peer, NULL, (size_t)inside, bytes > 0 ? SPLICE_F_MORE : 0);
      if (sent <= 0) fail("splice to the socket");
      inside -= sent;
    }
  }
}

static void by_mapping(int peer, uint64_t bytes) {
  char *mapping = mmap(NULL, bytes, PROT_READ, MAP_SHARED, file, 0);
  if (mapping == MAP_FAILED) fail("mmap");
  write_all(peer, mapping, bytes);
  munmap(mapping, bytes);
}

static void by_buffer(int peer, uint64_t bytes) {
  for (off_t offset = 0; bytes > 0;) {
    ssize_t got = pread(file, buffer, least(bytes, BUFFER_BYTES), offset);
    if (got <= 0) fail("pread");
    write_all(peer, buffer, (size_t)got);
    offset += got;
    bytes -= (uint64_t)got;
  }
}

/* Reads what the error queue has of notifications and answers how many sends they complete. */
static uint32_t reap(int peer) {
  char control[128];
  struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(peer, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return errno == EAGAIN ? 0 : (fail("recvmsg"), 0);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (!header) return 0;
  struct sock_extended_err *notice = (struct sock_extended_err *)CMSG_DATA(header);
  uint32_t sends = notice->ee_data - notice->ee_info + 1;
  notices += sends;
  if (notice->ee_code & SO_EE_CODE_ZEROCOPY_COPIED) notices_copied += sends;
  return sends;
}

static void by_zerocopy(int peer, uint64_t bytes) {
  char *mapping = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
  if (mapping == MAP_FAILED) fail("mmap");
  int64_t pending = 0;
  for (uint64_t offset = 0; offset < bytes;) {
    ssize_t sent = send(peer, mapping + offset, least(bytes - offset, PINNED_BYTES), MSG_ZEROCOPY);
    if (sent > 0) {
      offset += (uint64_t)sent;
      pending++;
      pending -= reap(peer);
    } else if (errno == ENOBUFS) {
      wait_for(peer, 0); /* Too much is pinned: POLLERR says that notices are there. */
      pending -= reap(peer);
    } else fail("send");
  }
  while (pending > 0) {
    wait_for(peer, 0);
    pending -= reap(peer);
  }
  munmap(mapping, bytes);
}

struct mechanism {
  const char *name;
  void (*send)(int peer, uint64_t bytes);
};

static const struct mechanism mechanisms[] = {
    {"sendfile", by_sendfile}, {"sendfile-poll", by_sendfile_poll}, {"splice", by_splice}, {"mapped", by_mapping},
    {"buffered", by_buffer},   {"zerocopy", by_zerocopy},
};

static const struct mechanism *find(const char *name) {
  for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
    if (strcmp(mechanisms[i].name, name) == 0) return &mechanisms[i];
  fprintf(stderr, "sender: there is no mechanism %s\n", name);
  exit(2);
}

static void serve(int peer, const struct mechanism *mechanism) {
  int on = 1;
  set_no_delay(peer);
  if (mechanism->send == by_zerocopy && setsockopt(peer, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on) < 0)
    fail("SO_ZEROCOPY");
  if (mechanism->send == by_sendfile_poll && fcntl(peer, F_SETFL, O_RDWR | O_NONBLOCK) < 0) fail("fcntl");
  for (;;) {
    uint64_t bytes;
    ssize_t got = recv(peer, &bytes, sizeof bytes, MSG_WAITALL);
    if (got < 0 && errno == EAGAIN) wait_for(peer, POLLIN);
    else if (got != sizeof bytes) break;
    else mechanism->send(peer, bytes);
  }
  if (notices > 0) printf("copied %llu of %llu\n", (unsigned long long)notices_copied, (unsigned long long)notices);
  fflush(stdout);
  close(peer);
}

int main(int argc, char **argv) {
  if (argc < 3) return fputs("usage: sender FILE MECHANISM [ADDRESS]\n", stderr), 2;
  const struct mechanism *mechanism = find(argv[2]);
  file = open(argv[1], O_RDONLY | O_CLOEXEC);
  buffer = malloc(BUFFER_BYTES);
  if (file < 0 || !buffer || pipe2(relay, O_CLOEXEC) < 0) fail(argv[1]);
  if (fcntl(relay[1], F_SETPIPE_SZ, PIPE_BYTES) < 0) fail("F_SETPIPE_SZ");
  const char *host = argc > 3 ? argv[3] : LOOPBACK;
  int port, listener = listen_on(host, 16, &port);
  printf("http://%s:%d\n", host, port);
  fflush(stdout);
  for (;;) {
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (peer < 0) fail("accept");
    serve(peer, mechanism);
  }
}
