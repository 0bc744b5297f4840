/*
 * A file copied by two processes, one that reads and one that writes, in the ways of the article.
 *
 *   two_processes METHOD FROM TO BYTES
 *
 * pipe: read(2), write(2) into a pipe, read(2), write(2). splice: splice(2) in, splice(2) out, the pipe enlarged to
 * 1 MiB. shared: the article's own, both files mapped and all of it through one shared memory as large as the file,
 * nobody waiting for anybody. locked: the same through a ring of 1 MiB with two semaphores, so that what is
 * copied out has been copied in. Prints "WALL_NS CPU_NS VOLUNTARY INVOLUNTARY", of both.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 64 << 10, PIPE_BYTES = 1 << 20, SLOT = 256 << 10, SLOTS = 4 };

struct ring {
  sem_t full, empty;
  char slots[SLOTS][SLOT];
};

static int from, to, relay[2];
static size_t bytes;
static char *shared;
static struct ring *ring;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

static void *shared_memory(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  return memory;
}

static char *map_source(void) {
  char *mapping = mmap(NULL, bytes, PROT_READ, MAP_SHARED, from, 0);
  if (mapping == MAP_FAILED) fail("mmap the source");
  return mapping;
}

static char *map_target(void) {
  if (ftruncate(to, (off_t)bytes) < 0) fail("ftruncate");
  char *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
  if (mapping == MAP_FAILED) fail("mmap the target");
  return mapping;
}

static void pipe_in(void) {
  static char buffer[BUFFER];
  for (ssize_t got; (got = read(from, buffer, BUFFER)) > 0;)
    for (ssize_t at = 0, put; at < got; at += put)
      if ((put = write(relay[1], buffer + at, (size_t)(got - at))) < 0) fail("write");
}

static void pipe_out(void) {
  static char buffer[BUFFER];
  for (ssize_t got; (got = read(relay[0], buffer, BUFFER)) > 0;)
    if (write(to, buffer, (size_t)got) != got) fail("write");
}

static void splice_in(void) {
  for (ssize_t moved; (moved = splice(from, NULL, relay[1], NULL, PIPE_BYTES, SPLICE_F_MOVE)) != 0;)
    if (moved < 0) fail("splice in");
}

static void splice_out(void) {
  for (ssize_t moved; (moved = splice(relay[0], NULL, to, NULL, PIPE_BYTES, SPLICE_F_MOVE)) != 0;)
    if (moved < 0) fail("splice out");
}

static void shared_in(void) {
  memcpy(shared, map_source(), bytes);
}

static void shared_out(void) {
  memcpy(map_target(), shared, bytes);
}

static void locked_in(void) {
  char *source = map_source();
  for (size_t at = 0, slot = 0; at < bytes; at += SLOT, slot = (slot + 1) % SLOTS) {
    while (sem_wait(&ring->empty) < 0) {}
    memcpy(ring->slots[slot], source + at, least(SLOT, bytes - at));
    sem_post(&ring->full);
  }
}

static void locked_out(void) {
  char *target = map_target();
  for (size_t at = 0, slot = 0; at < bytes; at += SLOT, slot = (slot + 1) % SLOTS) {
    while (sem_wait(&ring->full) < 0) {}
    memcpy(target + at, ring->slots[slot], least(SLOT, bytes - at));
    sem_post(&ring->empty);
  }
}

static const struct method {
  const char *name;
  void (*in)(void), (*out)(void);
} methods[] = {
  {"pipe", pipe_in, pipe_out}, {"splice", splice_in, splice_out}, {"shared", shared_in, shared_out}, {"locked", locked_in, locked_out},
};

static const struct method *find(const char *name) {
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    if (strcmp(methods[i].name, name) == 0) return &methods[i];
  return fprintf(stderr, "two_processes: what is %s?\n", name), exit(2), NULL;
}

static int64_t now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int64_t cpu_ns(const struct rusage *usage) {
  return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000LL + (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000LL;
}

int main(int argc, char **argv) {
  if (argc != 5) return fputs("usage: two_processes METHOD FROM TO BYTES\n", stderr), 2;
  const struct method *method = find(argv[1]);
  from = open(argv[2], O_RDONLY | O_CLOEXEC);
  to = open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bytes = strtoull(argv[4], NULL, 10);
  if (from < 0 || to < 0 || pipe(relay) < 0) fail("open");
  if (method->in == splice_in && fcntl(relay[1], F_SETPIPE_SZ, PIPE_BYTES) < 0) fail("F_SETPIPE_SZ");
  if (method->in == shared_in) shared = shared_memory(bytes);
  if (method->in == locked_in) {
    ring = shared_memory(sizeof *ring);
    if (sem_init(&ring->full, 1, 0) < 0 || sem_init(&ring->empty, 1, SLOTS) < 0) fail("sem_init");
  }
  int64_t start = now_ns();
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    close(relay[1]);
    method->out();
    _exit(0);
  }
  close(relay[0]);
  method->in();
  close(relay[1]);
  int status;
  if (waitpid(child, &status, 0) < 0 || status != 0) return fputs("two_processes: the writer failed\n", stderr), 1;
  int64_t wall = now_ns() - start;
  struct rusage own, other;
  getrusage(RUSAGE_SELF, &own);
  getrusage(RUSAGE_CHILDREN, &other);
  printf("%lld %lld %ld %ld\n", (long long)wall, (long long)(cpu_ns(&own) + cpu_ns(&other)), own.ru_nvcsw + other.ru_nvcsw,
         own.ru_nivcsw + other.ru_nivcsw);
  return 0;
}
