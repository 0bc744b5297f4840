/*
 * Which pairs of descriptors sendfile(2) and splice(2) take today, and what copy-on-write copies.
 *
 *   allowed FOLDER
 *
 * Prints one "name value" a line: the bytes moved, or the error's name.
 */
#define _GNU_SOURCE
#include "fail.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, BYTES = 64 << 10, MAPPED = 64 << 20, TOUCHED = 100 };

static char path[2][4096];

static void tell(const char *name, ssize_t moved) {
  if (moved < 0) printf("%s %s\n", name, strerrorname_np(errno));
  else printf("%s %zd\n", name, moved);
}

static int file_of(const char *name, int bytes) {
  int fd = open(name, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  char page[PAGE];
  memset(page, 'A', sizeof page);
  for (int at = 0; at < bytes; at += PAGE)
    if (write(fd, page, PAGE) != PAGE) fail("write");
  if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0) fail(name);
  return fd;
}

static void pairs(void) {
  int a = file_of(path[0], BYTES), b = file_of(path[1], 0), stream[2], relay[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, stream) < 0 || pipe(relay) < 0) fail("pipe");
  int proc = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  tell("sendfile_file_to_file", sendfile(b, a, &(off_t){0}, BYTES));
  tell("sendfile_file_to_pipe", sendfile(relay[1], a, &(off_t){0}, PAGE));
  tell("sendfile_file_to_socket", sendfile(stream[0], a, &(off_t){0}, PAGE));
  tell("sendfile_socket_to_file", sendfile(b, stream[1], NULL, PAGE));
  tell("sendfile_pipe_to_file", sendfile(b, relay[0], NULL, PAGE));
  tell("sendfile_procfs_to_socket", sendfile(stream[0], proc, NULL, PAGE));
  tell("mmap_procfs", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, proc, 0) == MAP_FAILED ? -1 : 0);
  tell("splice_file_to_socket", splice(a, &(loff_t){0}, stream[0], NULL, PAGE, 0));
  tell("splice_socket_to_pipe", splice(stream[1], NULL, relay[1], NULL, PAGE, 0));
  tell("splice_pipe_to_socket", splice(relay[0], NULL, stream[0], NULL, PAGE, 0));
}

/* How much of a blocking splice into a pipe that nobody empties comes back before an alarm interrupts it. */
static void on_alarm(int number) {
  (void)number;
}

static void is_splice_asynchronous(void) {
  int a = file_of(path[0], BYTES * 4), relay[2];
  if (pipe(relay) < 0) fail("pipe");
  struct sigaction act = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &act, NULL);
  tell("splice_into_an_empty_pipe", splice(a, NULL, relay[1], NULL, BYTES * 4, 0));
  alarm(1);
  tell("splice_into_a_full_pipe", splice(a, NULL, relay[1], NULL, BYTES, 0));
  alarm(0);
}

static long from_smaps(const void *where, const char *field) {
  FILE *maps = fopen("/proc/self/smaps", "re");
  char line[512], range[32];
  snprintf(range, sizeof range, "%lx-", (unsigned long)where);
  long kilobytes = -1;
  int inside = 0;
  while (maps && fgets(line, sizeof line, maps)) {
    if (strncmp(line, range, strlen(range)) == 0) inside = 1;
    if (inside && strncmp(line, field, strlen(field)) == 0) {
      kilobytes = atol(line + strlen(field) + 1);
      break;
    }
  }
  if (maps) fclose(maps);
  return kilobytes;
}

static void private_mapping(void) {
  int fd = file_of(path[0], MAPPED);
  char *mapping = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), now;
  if (mapping == MAP_FAILED) fail("mmap");
  long sum = 0;
  for (int at = 0; at < MAPPED; at += PAGE)
    sum += mapping[at];
  printf("private_read_kB %ld\n", from_smaps(mapping, "Anonymous:"));
  for (int i = 0; i < TOUCHED; i++)
    mapping[i * (MAPPED / TOUCHED / PAGE) * PAGE] = 'B';
  printf("private_written_kB %ld\n", from_smaps(mapping, "Anonymous:"));
  if (pread(fd, &now, 1, 0) != 1) fail("pread");
  printf("private_file_changed %s\n", now == 'A' && sum > 0 ? "no" : "yes");
}

static void after_fork(void) {
  char *memory = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || madvise(memory, MAPPED, MADV_NOHUGEPAGE) < 0) fail("mmap");
  memset(memory, 'A', MAPPED);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    printf("fork_own_kB %ld\n", from_smaps(memory, "Private_Dirty:"));
    for (int i = 0; i < TOUCHED; i++)
      memory[i * PAGE] = 'B';
    printf("fork_written_kB %ld\n", from_smaps(memory, "Private_Dirty:"));
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

int main(int argc, char **argv) {
  if (argc != 2) return fputs("usage: allowed FOLDER\n", stderr), 2;
  for (int i = 0; i < 2; i++)
    snprintf(path[i], sizeof path[i], "%s/allowed-%d", argv[1], i);
  signal(SIGPIPE, SIG_IGN);
  pairs();
  is_splice_asynchronous();
  private_mapping();
  after_fork();
  for (int i = 0; i < 2; i++)
    unlink(path[i]);
  return 0;
}
