/*
 * What the page cache holds of files, and how to make it hold nothing of them.
 *
 *   residency [--evict] FILE...
 *
 * Prints "RESIDENT_PAGES PAGES" a file. --evict writes what is dirty first and then asks posix_fadvise(2) to drop
 * the pages, which needs no privilege and leaves the rest of the machine's cache alone.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What a receiver has read of a socket is freed by the processor that sent it, when it next takes part in networking
 * (Linux 5.19), and until then keeps pages of a file that sendfile(2) has sent. So each of them gets a datagram.
 */
static void free_received(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof self;
  cpu_set_t all, one;
  if (fd < 0 || bind(fd, (struct sockaddr *)&self, length) < 0 ||
      getsockname(fd, (struct sockaddr *)&self, &length) < 0)
    return perror("datagrams");
  sched_getaffinity(0, sizeof all, &all);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &all)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0) sendto(fd, "", 1, 0, (struct sockaddr *)&self, length);
  }
  sched_setaffinity(0, sizeof all, &all);
  close(fd);
}

static int look(const char *path, int evict) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat facts;
  if (fd < 0 || fstat(fd, &facts) < 0) return perror(path), -1;
  if (evict && (fsync(fd) < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)) return perror(path), -1;
  size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = ((size_t)facts.st_size + page - 1) / page, resident = 0;
  if (pages > 0) {
    void *mapping = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_SHARED, fd, 0);
    unsigned char *map = malloc(pages);
    if (mapping == MAP_FAILED || !map || mincore(mapping, (size_t)facts.st_size, map) < 0) return perror(path), -1;
    for (size_t i = 0; i < pages; i++)
      resident += map[i] & 1;
    munmap(mapping, (size_t)facts.st_size);
    free(map);
  }
  close(fd);
  printf("%zu %zu\n", resident, pages);
  return 0;
}

int main(int argc, char **argv) {
  int evict = argc > 1 && strcmp(argv[1], "--evict") == 0;
  if (evict) free_received();
  for (int i = 1 + evict; i < argc; i++)
    if (look(argv[i], evict) < 0) return 1;
  return 0;
}
