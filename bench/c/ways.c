/*
 * What might beat the engine's way of sending a file: each way in plain C, the ways taking turns.
 *
 *   ways FILE BYTES ROUNDS
 *
 * Sends BYTES of FILE over a TCP connection of the loopback to a child that drains it. Prints for every round and way
 * "WAY WALL_NS CPU_NS CALLS"; CPU is the sender's, its io_uring workers included. A way that this kernel refuses prints
 * "WAY - ERROR".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>

#include "loopback.h"
#include "uring.h"

static long calls;

static void wait_for_room(int fd) {
  struct pollfd one = {.fd = fd, .events = POLLOUT};
  calls++;
  poll(&one, 1, -1);
}

static int by_sendfile(int file, int peer, int64_t bytes, size_t chunk) {
  for (off_t offset = 0; offset < bytes;) {
    size_t left = (size_t)(bytes - offset);
    calls++;
    ssize_t sent = sendfile(peer, file, &offset, left < chunk ? left : chunk);
    if (sent < 0 && errno == EAGAIN) wait_for_room(peer);
    else if (sent <= 0) return -1;
  }
  return 0;
}

static int by_sendfile_with_buffer(int file, int peer, int64_t bytes, size_t buffer) {
  int size = (int)buffer;
  if (setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0) return -1;
  return by_sendfile(file, peer, bytes, 2 * MiB);
}

static int splice_in_steps(int file, int peer, int64_t bytes, size_t pipe_size, size_t step) {
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0 || fcntl(pipes[1], F_SETPIPE_SZ, pipe_size) < 0) return -1;
  int failed = 0;
  for (off_t offset = 0; offset < bytes && !failed;) {
    calls++;
    ssize_t inside = splice(file, &offset, pipes[1], NULL, pipe_size, SPLICE_F_NONBLOCK);
    if (inside <= 0) failed = -1;
    while (inside > 0 && !failed) {
      calls++;
      size_t length = (size_t)inside < step ? (size_t)inside : step;
      ssize_t sent = splice(pipes[0], NULL, peer, NULL, length, SPLICE_F_NONBLOCK | SPLICE_F_MORE);
      if (sent > 0) inside -= sent;
      else if (errno == EAGAIN) wait_for_room(peer);
      else failed = -1;
    }
  }
  close(pipes[0]);
  close(pipes[1]);
  return failed;
}

static int by_splice(int file, int peer, int64_t bytes, size_t pipe_size) {
  return splice_in_steps(file, peer, bytes, pipe_size, pipe_size);
}

/* The socket is locked for a whole call, and what its peer acknowledges meanwhile waits. */
static int by_large_pipe(int file, int peer, int64_t bytes, size_t step) {
  return splice_in_steps(file, peer, bytes, MiB, step);
}

static int by_write(int file, int peer, int64_t bytes, size_t chunk) {
  char *buffer = malloc(chunk);
  int failed = 0;
  for (int64_t offset = 0; offset < bytes && !failed;) {
    calls++;
    ssize_t got = pread(file, buffer, chunk, offset);
    if (got <= 0) failed = -1;
    for (ssize_t at = 0; at < got && !failed;) {
      calls++;
      ssize_t sent = send(peer, buffer + at, (size_t)(got - at), 0);
      if (sent > 0) at += sent;
      else if (errno == EAGAIN) wait_for_room(peer);
      else failed = -1;
    }
    offset += got;
  }
  free(buffer);
  return failed;
}

static int by_mmap(int file, int peer, int64_t bytes, size_t chunk) {
  char *memory = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, file, 0);
  int failed = memory == MAP_FAILED ? -1 : 0;
  for (int64_t offset = 0; offset < bytes && !failed;) {
    size_t left = (size_t)(bytes - offset);
    calls++;
    ssize_t sent = send(peer, memory + offset, left < chunk ? left : chunk, 0);
    if (sent > 0) offset += sent;
    else if (errno == EAGAIN) wait_for_room(peer);
    else failed = -1;
  }
  if (memory != MAP_FAILED) munmap(memory, (size_t)bytes);
  return failed;
}

static void queue_splice(struct uring *ring, int from, int64_t at, int to, size_t length, uint8_t flags, uint64_t tag) {
  struct io_uring_sqe *sqe = uring_next(ring);
  sqe->opcode = IORING_OP_SPLICE;
  sqe->splice_fd_in = from;
  sqe->splice_off_in = (uint64_t)at;
  sqe->fd = to;
  sqe->off = (uint64_t)-1;
  sqe->len = (uint32_t)length;
  sqe->flags = flags;
  sqe->user_data = tag;
}

enum { FILL, DRAIN };

/* Links file→pipe and pipe→socket. A short drain leaves bytes in the pipe, which go before the next link. */
static int by_linked_splices(int file, int peer, int64_t bytes, size_t pipe_size) {
  struct uring ring;
  int pipes[2], failed = 0;
  if (uring_open(&ring, 8) < 0 || pipe2(pipes, O_CLOEXEC) < 0 || fcntl(pipes[1], F_SETPIPE_SZ, pipe_size) < 0)
    return -1;
  fcntl(peer, F_SETFL, 0);
  int64_t offset = 0, inside = 0;
  while ((offset < bytes || inside > 0) && !failed) {
    int64_t left = bytes - offset;
    size_t length = inside > 0 ? (size_t)inside : (size_t)(left < (int64_t)pipe_size ? left : (int64_t)pipe_size);
    if (inside == 0) queue_splice(&ring, file, offset, pipes[1], length, IOSQE_IO_LINK, FILL);
    queue_splice(&ring, pipes[0], -1, peer, length, 0, DRAIN);
    calls++;
    if (uring_submit(&ring) < 0) failed = -1;
    uint64_t tag;
    int32_t result;
    while (!failed && uring_take(&ring, &tag, &result)) {
      if (result == -ECANCELED) continue; /* what stood before it was short */
      if (result <= 0) failed = -1, errno = -result;
      else if (tag == FILL) offset += result, inside += result;
      else inside -= result;
    }
  }
  close(pipes[0]);
  close(pipes[1]);
  close(ring.fd);
  return failed;
}

/* Reads and sends of two buffers, linked, in one submission. */
static int by_linked_copies(int file, int peer, int64_t bytes, size_t chunk) {
  struct uring ring;
  if (uring_open(&ring, 8) < 0) return -1;
  char *buffer = malloc(chunk);
  int failed = 0;
  fcntl(peer, F_SETFL, 0);
  for (int64_t offset = 0; offset < bytes && !failed;) {
    int64_t left = bytes - offset;
    uint32_t length = (uint32_t)(left < (int64_t)chunk ? left : (int64_t)chunk);
    struct io_uring_sqe *sqe = uring_next(&ring);
    *sqe = (struct io_uring_sqe){.opcode = IORING_OP_READ,
                                 .fd = file,
                                 .off = (uint64_t)offset,
                                 .addr = (uintptr_t)buffer,
                                 .len = length,
                                 .flags = IOSQE_IO_LINK,
                                 .user_data = FILL};
    sqe = uring_next(&ring);
    *sqe = (struct io_uring_sqe){.opcode = IORING_OP_SEND,
                                 .fd = peer,
                                 .addr = (uintptr_t)buffer,
                                 .len = length,
                                 .msg_flags = MSG_WAITALL,
                                 .user_data = DRAIN};
    calls++;
    if (uring_submit(&ring) < 0) failed = -1;
    uint64_t tag;
    int32_t result;
    while (!failed && uring_take(&ring, &tag, &result)) {
      if (result != (int32_t)length) failed = -1, errno = result < 0 ? -result : EIO;
      else if (tag == DRAIN) offset += result;
    }
  }
  free(buffer);
  close(ring.fd);
  return failed;
}

static const struct way {
  const char *name;
  int (*send)(int file, int peer, int64_t bytes, size_t size);
  size_t size;
} ways[] = {
    {"sendfile-64K", by_sendfile, 64 * KiB},
    {"sendfile-256K", by_sendfile, 256 * KiB},
    {"sendfile-1M", by_sendfile, MiB},
    {"sendfile-2M", by_sendfile, 2 * MiB},
    {"sendfile-8M", by_sendfile, 8 * MiB},
    {"sendfile-sndbuf-256K", by_sendfile_with_buffer, 256 * KiB},
    {"sendfile-sndbuf-1M", by_sendfile_with_buffer, MiB},
    {"sendfile-sndbuf-4M", by_sendfile_with_buffer, 4 * MiB},
    {"splice-64K", by_splice, 64 * KiB},
    {"splice-256K", by_splice, 256 * KiB},
    {"splice-1M", by_splice, MiB},
    {"splice-1M-by-64K", by_large_pipe, 64 * KiB},
    {"splice-1M-by-256K", by_large_pipe, 256 * KiB},
    {"uring-splice-64K", by_linked_splices, 64 * KiB},
    {"uring-splice-1M", by_linked_splices, MiB},
    {"uring-copy-256K", by_linked_copies, 256 * KiB},
    {"read-write-64K", by_write, 64 * KiB},
    {"read-write-256K", by_write, 256 * KiB},
    {"mmap-write-1M", by_mmap, MiB},
};

static void measure(const struct way *way, int file, int64_t bytes) {
  pid_t child;
  int peer = connect_to_drain(&child, 0);
  fcntl(peer, F_SETFL, O_NONBLOCK);
  calls = 0;
  int64_t wall = now_ns(), cpu = cpu_ns();
  int failed = way->send(file, peer, bytes, way->size);
  int error = errno;
  shutdown(peer, SHUT_WR);
  waitpid(child, NULL, 0);
  wall = now_ns() - wall;
  cpu = cpu_ns() - cpu;
  close(peer);
  if (failed) printf("%s - %s\n", way->name, strerror(error));
  else printf("%s %lld %lld %ld\n", way->name, (long long)wall, (long long)cpu, calls);
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: ways FILE BYTES ROUNDS\n");
    return 2;
  }
  int file = open(argv[1], O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(argv[1]);
  for (int round = 0; round < atoi(argv[3]); round++)
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
      measure(&ways[i], file, atoll(argv[2]));
  return 0;
}
