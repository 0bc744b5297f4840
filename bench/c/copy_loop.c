/*
 * The yardsticks of copying: what each mechanism costs with nothing around it.
 *
 *   copy_loop MECHANISM FROM TO
 *
 * Mechanisms: copy_file_range and sendfile (as much at once as the kernel takes), buffered (read(2) and write(2), 128 KiB
 * at a time). Prints "WALL_NS CPU_NS VOLUNTARY INVOLUNTARY MAXRSS_BYTES" of opening, copying and closing; without
 * arguments it does nothing, so that its start can be told from its work.
 */
#define _GNU_SOURCE
#include "cost.h"
#include "fail.h"
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 128 << 10, MOST = 1 << 30 };

static ssize_t by_copy_file_range(int from, int to) {
  return copy_file_range(from, NULL, to, NULL, MOST, 0);
}

static ssize_t by_sendfile(int from, int to) {
  return sendfile(to, from, NULL, MOST);
}

static ssize_t by_buffer(int from, int to) {
  static char buffer[BUFFER_BYTES];
  ssize_t got = read(from, buffer, sizeof buffer);
  for (ssize_t at = 0, put; at < got; at += put)
    if ((put = write(to, buffer + at, (size_t)(got - at))) < 0) return -1;
  return got;
}

static const struct mechanism {
  const char *name;
  ssize_t (*step)(int from, int to); /* 0 at the end of the file */
} mechanisms[] = {
    {"copy_file_range", by_copy_file_range},
    {"sendfile", by_sendfile},
    {"buffered", by_buffer},
};

static const struct mechanism *find(const char *name) {
  for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
    if (strcmp(mechanisms[i].name, name) == 0) return &mechanisms[i];
  return fprintf(stderr, "copy_loop: there is no mechanism %s\n", name), exit(2), NULL;
}

static void copy(const struct mechanism *mechanism, const char *source, const char *target) {
  int from = open(source, O_RDONLY | O_CLOEXEC);
  int to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (from < 0 || to < 0) fail("open");
  for (ssize_t moved; (moved = mechanism->step(from, to)) != 0;)
    if (moved < 0) fail(mechanism->name);
  if (close(from) < 0 || close(to) < 0) fail("close");
}

static struct rusage usage_until_now(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage;
}

static struct rusage less(struct rusage usage, const struct rusage *before) {
  timersub(&usage.ru_utime, &before->ru_utime, &usage.ru_utime);
  timersub(&usage.ru_stime, &before->ru_stime, &usage.ru_stime);
  usage.ru_nvcsw -= before->ru_nvcsw;
  usage.ru_nivcsw -= before->ru_nivcsw;
  return usage;
}

int main(int argc, char **argv) {
  if (argc == 1) return 0;
  if (argc != 4) return fputs("usage: copy_loop MECHANISM FROM TO\n", stderr), 2;
  const struct mechanism *mechanism = find(argv[1]);
  struct rusage before = usage_until_now();
  int64_t start = now_ns();
  copy(mechanism, argv[2], argv[3]);
  int64_t wall = now_ns() - start;
  struct rusage work = less(usage_until_now(), &before);
  print_cost(wall, &work, peak_rss());
  return 0;
}
