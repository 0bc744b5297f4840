/* What a program has taken, as it is printed for the bench: "WALL_NS CPU_NS VOLUNTARY INVOLUNTARY MAXRSS_BYTES". */
#ifndef COST_H
#define COST_H

#include "fail.h"
#include "times.h"
#include <sys/resource.h>

static inline int64_t in_ns(struct timeval time) {
  return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL;
}

/* The most that this program has had in memory. ru_maxrss of getrusage(2) begins with what its starter had before exec. */
static inline int64_t peak_rss(void) {
  char line[256];
  long kib = -1;
  FILE *status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof line, status))
    if (sscanf(line, "VmHWM: %ld", &kib) == 1) break;
  if (kib < 0) fail("VmHWM of /proc/self/status");
  fclose(status);
  return kib * 1024LL;
}

static inline void print_cost(int64_t wall, const struct rusage *usage, int64_t resident) {
  printf("%lld %lld %ld %ld %lld\n", (long long)wall, (long long)(in_ns(usage->ru_utime) + in_ns(usage->ru_stime)),
         usage->ru_nvcsw, usage->ru_nivcsw, (long long)resident);
}

#endif
