/*
 * What happens to those who are using a file when somebody cuts it.
 *
 *   truncated FOLDER
 *
 * Makes files in FOLDER and prints what it saw, one "name value" a line.
 */
#define _GNU_SOURCE
#include "fail.h"
#include "times.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 16, PAGE = 4096, BYTES = PAGES * PAGE, KEPT = PAGE + 100, LARGE = 1 << 20 };

static char path[4096];
static volatile sig_atomic_t bus_errors, lease_signals;

/* A file of its own each time: what is left of an earlier one must not count as a writer. */
static int make_file(int bytes, int flags) {
  unlink(path);
  int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  char page[PAGE];
  memset(page, 'A', sizeof page);
  for (int at = 0; at < bytes; at += PAGE)
    if (write(fd, page, PAGE) != PAGE) fail("write");
  close(fd);
  fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) fail("open");
  return fd;
}

static char *map(int fd, int bytes) {
  char *mapping = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (mapping == MAP_FAILED) fail("mmap");
  return mapping;
}

static void count_bus_error(int number) {
  (void)number;
  bus_errors++;
}

static void count_lease(int number) {
  (void)number;
  lease_signals++;
}

/* A handler that simply returns, as the article has it, and write(2) from a mapping that ends in mid-air. */
static void write_from_mapping(void) {
  int fd = make_file(BYTES, O_RDWR), relay[2];
  char *mapping = map(fd, BYTES), got[BYTES];
  if (pipe(relay) < 0) fail("pipe");
  signal(SIGBUS, count_bus_error);
  if (ftruncate(fd, KEPT) < 0) fail("ftruncate");
  ssize_t first = write(relay[1], mapping, BYTES);
  printf("write_first %zd\n", first);
  ssize_t second = write(relay[1], mapping + (first > 0 ? first : 0), BYTES - (size_t)(first > 0 ? first : 0));
  printf("write_second %s\n", second < 0 ? strerrorname_np(errno) : "no error");
  printf("write_bus_errors %d\n", (int)bus_errors);
  ssize_t arrived = read(relay[0], got, sizeof got), zeros = 0;
  for (ssize_t i = KEPT; i < arrived; i++)
    zeros += got[i] == 0;
  printf("write_zeros_beyond_the_end %zd\n", zeros);
  signal(SIGBUS, SIG_DFL);
  munmap(mapping, BYTES);
  close(fd);
}

/* The same memory, touched by the program itself, in a child that may die. */
static void touch_mapping(void) {
  int fd = make_file(BYTES, O_RDWR), status;
  volatile char *mapping = map(fd, BYTES);
  if (ftruncate(fd, KEPT) < 0) fail("ftruncate");
  pid_t child = fork();
  if (child == 0) _exit(mapping[BYTES - 1]);
  if (waitpid(child, &status, 0) < 0) fail("waitpid");
  printf("touch %s\n", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "survived");
  close(fd);
}

static void sendfile_from_file(void) {
  int fd = make_file(BYTES, O_RDWR), relay[2];
  if (pipe(relay) < 0) fail("pipe");
  if (ftruncate(fd, KEPT) < 0) fail("ftruncate");
  ssize_t first = sendfile(relay[1], fd, NULL, BYTES), second = sendfile(relay[1], fd, NULL, BYTES);
  printf("sendfile_first %zd\nsendfile_second %zd\n", first, second);
  close(fd);
}

static pid_t cut_later(int after_ms) {
  pid_t child = fork();
  if (child != 0) return child;
  usleep((useconds_t)after_ms * 1000);
  double start = now_s();
  if (truncate(path, KEPT) < 0) fail("truncate");
  printf("lease_cutter_waited_ms %.0f\n", (now_s() - start) * 1000);
  fflush(stdout);
  _exit(0);
}

/* A lease, and a write that is asleep when it is broken, since nobody reads the pipe. */
static void write_under_lease(void) {
  int fd = make_file(LARGE, O_RDONLY), relay[2];
  char *mapping = map(fd, LARGE);
  struct sigaction act = {.sa_handler = count_lease};
  sigaction(SIGRTMIN, &act, NULL);
  if (pipe(relay) < 0) fail("pipe");
  if (fcntl(fd, F_SETSIG, SIGRTMIN) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
    return (void)printf("lease %s\n", strerrorname_np(errno));
  pid_t child = cut_later(100);
  ssize_t sent = write(relay[1], mapping, LARGE);
  printf("lease_write %zd\nlease_signals %d\n", sent, (int)lease_signals);
  fflush(stdout);
  usleep(300 * 1000); /* The cutter has to wait for us; it says for how long. */
  if (fcntl(fd, F_SETLEASE, F_UNLCK) < 0) fail("F_UNLCK");
  waitpid(child, NULL, 0);
  munmap(mapping, LARGE);
  close(fd);
}

int main(int argc, char **argv) {
  if (argc != 2) return fputs("usage: truncated FOLDER\n", stderr), 2;
  snprintf(path, sizeof path, "%s/truncated", argv[1]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  write_from_mapping();
  touch_mapping();
  sendfile_from_file();
  write_under_lease();
  unlink(path);
  return 0;
}
