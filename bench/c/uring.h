/* The least of io_uring(7) that a chain of operations needs: no library, one ring, submissions in batches. */
#ifndef URING_H
#define URING_H

#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct uring {
  int fd;
  uint32_t queued;
  _Atomic uint32_t *sq_tail, *cq_head, *cq_tail;
  uint32_t sq_mask, cq_mask;
  uint32_t *sq_array;
  struct io_uring_sqe *sqes;
  struct io_uring_cqe *cqes;
};

/* 0, or -1 with errno where the kernel has none or forbids it. */
static int uring_open(struct uring *ring, uint32_t entries) {
  struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
  ring->fd = (int)syscall(SYS_io_uring_setup, entries, &params);
  if (ring->fd < 0) return -1;
  size_t sq = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
  size_t cq = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
  size_t size = sq > cq ? sq : cq;
  char *rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
  ring->sqes =
      mmap(NULL, params.sq_entries * sizeof *ring->sqes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQES);
  if (rings == MAP_FAILED || ring->sqes == MAP_FAILED) return -1;
  ring->queued = 0;
  ring->sq_tail = (void *)(rings + params.sq_off.tail);
  ring->sq_mask = *(uint32_t *)(rings + params.sq_off.ring_mask);
  ring->sq_array = (uint32_t *)(rings + params.sq_off.array);
  ring->cq_head = (void *)(rings + params.cq_off.head);
  ring->cq_tail = (void *)(rings + params.cq_off.tail);
  ring->cq_mask = *(uint32_t *)(rings + params.cq_off.ring_mask);
  ring->cqes = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
  return 0;
}

/* A blank submission; the caller fills it in before `uring_submit`. */
static struct io_uring_sqe *uring_next(struct uring *ring) {
  uint32_t tail = atomic_load_explicit(ring->sq_tail, memory_order_relaxed), index = tail & ring->sq_mask;
  struct io_uring_sqe *sqe = &ring->sqes[index];
  memset(sqe, 0, sizeof *sqe);
  ring->sq_array[index] = index;
  atomic_store_explicit(ring->sq_tail, tail + 1, memory_order_release);
  ring->queued++;
  return sqe;
}

/* Submits what is queued and waits for that many completions. -1 with errno. */
static int uring_submit(struct uring *ring) {
  uint32_t queued = ring->queued;
  ring->queued = 0;
  return (int)syscall(SYS_io_uring_enter, ring->fd, queued, queued, IORING_ENTER_GETEVENTS, NULL, 0);
}

/* Takes a completion: 0 when there is none. */
static int uring_take(struct uring *ring, uint64_t *user_data, int32_t *result) {
  uint32_t head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
  if (head == atomic_load_explicit(ring->cq_tail, memory_order_acquire)) return 0;
  *user_data = ring->cqes[head & ring->cq_mask].user_data;
  *result = ring->cqes[head & ring->cq_mask].res;
  atomic_store_explicit(ring->cq_head, head + 1, memory_order_release);
  return 1;
}

#endif
