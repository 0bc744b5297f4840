/*
 * Preloaded into a runtime: SIGUSR2 makes it read a page of a mapping of its own whose file is empty by now, which is
 * a SIGBUS that is none of the library's.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile char *hole;

static void touch(int number)
{
    (void)number;
    (void)hole[0];
}

__attribute__((constructor)) static void make_hole(void)
{
    int fd = memfd_create("hole", MFD_CLOEXEC);
    struct sigaction action = {.sa_handler = touch};
    if (fd == -1 || ftruncate(fd, 4096) == -1) _exit(99);
    hole = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (hole == MAP_FAILED || ftruncate(fd, 0) == -1 || sigaction(SIGUSR2, &action, NULL) == -1) _exit(99);
}
