/*
 * A file copied by two processes, one that reads and one that writes, in the ways of the article.
 *
 *   two_processes METHOD FROM TO BYTES [PIECE [ROOM]]
 *
 * pipe: read(2), write(2) into a pipe, read(2), write(2). splice: splice(2) in, splice(2) out, the pipe enlarged to
 * 1 MiB. shared: the article's own, both files mapped and all of it through one shared memory as large as the file,
 * nobody waiting for anybody. locked: the same through a ring of 1 MiB with two semaphores, so that what is
 * copied out has been copied in. ring: such a ring, but read(2) into it and write(2) out of it. PIECE is what moves at
 * once (64 KiB through a pipe, else 256 KiB), ROOM what the pipe or the ring holds.
 * Prints "WALL_NS CPU_NS VOLUNTARY INVOLUNTARY MAXRSS_BYTES", of both. Without arguments it does nothing, so that its
 * start can be told from its work.
 */
#define _GNU_SOURCE
#include "cost.h"
#include "fail.h"
#include <fcntl.h>
#include <semaphore.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KIB = 1 << 10, MIB = 1 << 20 };

struct ring {
  sem_t full, empty;
  _Alignas(4096) char slots[];
};

static int from, to, relay[2];
static size_t bytes, piece, room;
static char *shared;
static struct ring *ring;

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

static char *allocate(size_t size) {
  char *memory = malloc(size);
  if (!memory) fail("malloc");
  return memory;
}

static void pipe_in(void) {
  char *buffer = allocate(piece);
  for (ssize_t got; (got = read(from, buffer, piece)) > 0;)
    for (ssize_t at = 0, put; at < got; at += put)
      if ((put = write(relay[1], buffer + at, (size_t)(got - at))) < 0) fail("write");
}

static void pipe_out(void) {
  char *buffer = allocate(piece);
  for (ssize_t got; (got = read(relay[0], buffer, piece)) > 0;)
    if (write(to, buffer, (size_t)got) != got) fail("write");
}

static void splice_in(void) {
  for (ssize_t moved; (moved = splice(from, NULL, relay[1], NULL, piece, SPLICE_F_MOVE)) != 0;)
    if (moved < 0) fail("splice in");
}

static void splice_out(void) {
  for (ssize_t moved; (moved = splice(relay[0], NULL, to, NULL, piece, SPLICE_F_MOVE)) != 0;)
    if (moved < 0) fail("splice out");
}

static void shared_in(void) {
  memcpy(shared, map_source(), bytes);
}

static void shared_out(void) {
  memcpy(map_target(), shared, bytes);
}

/* The slot of a position, once the other process has left it. */
static char *await_slot(sem_t *left, size_t at) {
  while (sem_wait(left) < 0) {
  }
  return ring->slots + at % room;
}

static void locked_in(void) {
  char *source = map_source();
  for (size_t at = 0; at < bytes; at += piece) {
    memcpy(await_slot(&ring->empty, at), source + at, least(piece, bytes - at));
    sem_post(&ring->full);
  }
}

static void locked_out(void) {
  char *target = map_target();
  for (size_t at = 0; at < bytes; at += piece) {
    memcpy(target + at, await_slot(&ring->full, at), least(piece, bytes - at));
    sem_post(&ring->empty);
  }
}

static void ring_in(void) {
  for (size_t at = 0; at < bytes; at += piece) {
    size_t length = least(piece, bytes - at);
    if (read(from, await_slot(&ring->empty, at), length) != (ssize_t)length) fail("read");
    sem_post(&ring->full);
  }
}

static void ring_out(void) {
  for (size_t at = 0; at < bytes; at += piece) {
    size_t length = least(piece, bytes - at);
    if (write(to, await_slot(&ring->full, at), length) != (ssize_t)length) fail("write");
    sem_post(&ring->empty);
  }
}

/* How the two processes are connected. */
enum link { PIPE, MEMORY, RING };

static const struct method {
  const char *name;
  void (*in)(void), (*out)(void);
  enum link link;
  size_t piece, room; /* room 0: whatever a pipe has by itself */
} methods[] = {
    {"pipe", pipe_in, pipe_out, PIPE, 64 * KIB, 0},
    {"splice", splice_in, splice_out, PIPE, 256 * KIB,
     MIB}, /* Larger writes to a file take larger folios (docs/measurements.md). */
    {"shared", shared_in, shared_out, MEMORY, 0, 0},
    {"locked", locked_in, locked_out, RING, 256 * KIB, MIB},
    {"ring", ring_in, ring_out, RING, 256 * KIB, MIB},
};

static const struct method *find(const char *name) {
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    if (strcmp(methods[i].name, name) == 0) return &methods[i];
  return fprintf(stderr, "two_processes: what is %s?\n", name), exit(2), NULL;
}

static struct rusage sum(struct rusage a, const struct rusage *b) {
  timeradd(&a.ru_utime, &b->ru_utime, &a.ru_utime);
  timeradd(&a.ru_stime, &b->ru_stime, &a.ru_stime);
  a.ru_nvcsw += b->ru_nvcsw;
  a.ru_nivcsw += b->ru_nivcsw;
  return a;
}

static void connect_processes(enum link link) {
  if (link == PIPE && room > 0 && fcntl(relay[1], F_SETPIPE_SZ, room) < 0) fail("F_SETPIPE_SZ");
  if (link == MEMORY) shared = shared_memory(bytes);
  if (link != RING) return;
  if (piece == 0 || room % piece != 0) exit((fputs("two_processes: ROOM takes a multiple of PIECE\n", stderr), 2));
  ring = shared_memory(sizeof *ring + room);
  if (sem_init(&ring->full, 1, 0) < 0 || sem_init(&ring->empty, 1, (unsigned)(room / piece)) < 0) fail("sem_init");
}

int main(int argc, char **argv) {
  if (argc == 1) return 0;
  if (argc < 5 || argc > 7) return fputs("usage: two_processes METHOD FROM TO BYTES [PIECE [ROOM]]\n", stderr), 2;
  const struct method *method = find(argv[1]);
  from = open(argv[2], O_RDONLY | O_CLOEXEC);
  to = open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bytes = strtoull(argv[4], NULL, 10);
  piece = argc > 5 ? strtoull(argv[5], NULL, 10) : method->piece;
  room = argc > 6 ? strtoull(argv[6], NULL, 10) : method->room;
  if (from < 0 || to < 0 || pipe(relay) < 0) fail("open");
  connect_processes(method->link);
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
  struct rusage both = sum(own, &other);
  print_cost(wall, &both, peak_rss() + other.ru_maxrss * 1024LL);
  return 0;
}
