/* Moments and durations in nanoseconds. */
#ifndef TIMES_H
#define TIMES_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static inline double now_s(void) {
  return (double)now_ns() / 1e9;
}

static inline int ascending(const void *a, const void *b) {
  int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
  return (left > right) - (left < right);
}

static inline void sort_times(int64_t *times, size_t count) {
  qsort(times, count, sizeof *times, ascending);
}

#endif
