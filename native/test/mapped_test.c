/*
 * The one moment when zeros pass for bytes of a file: it is truncated while write(2) copies from its
 * mapping. To stop the engine in that write for sure, the test holds the target's inode lock: by a
 * write of its own from a page that userfaultfd does not deliver yet.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support.h"

enum { LENGTH = 64 * KIB, END = 20000, FAR = MIB };

/* A page whose first reader waits until fault_resolve(). */
struct fault {
    int fd;
    char *page;
    size_t size;
};

static struct fault fault_page(void)
{
    struct fault fault = {.fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC), .size = (size_t)sysconf(_SC_PAGESIZE)};
    if (fault.fd == -1) SKIP("no userfaultfd here: %m");
    own(fault.fd);
    struct uffdio_api api = {.api = UFFD_API};
    MUST(ioctl(fault.fd, UFFDIO_API, &api));
    fault.page = mmap(NULL, fault.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(fault.page != MAP_FAILED);
    struct uffdio_register registration = {
        .range = {.start = (uintptr_t)fault.page, .len = fault.size},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    MUST(ioctl(fault.fd, UFFDIO_REGISTER, &registration));
    return fault;
}

static void fault_await(const struct fault *fault)
{
    struct uffd_msg message;
    test_note("waiting for the test's own write to fault");
    CHECK_EQ(MUST(read(fault->fd, &message, sizeof message)), sizeof message);
    CHECK_EQ(message.event, UFFD_EVENT_PAGEFAULT);
}

static void fault_resolve(const struct fault *fault)
{
    struct uffdio_zeropage zero = {.range = {.start = (uintptr_t)fault->page, .len = fault->size}};
    MUST(ioctl(fault->fd, UFFDIO_ZEROPAGE, &zero));
}

struct holder {
    int target;
    const struct fault *fault;
};

static void *hold_lock(void *argument)
{
    const struct holder *holder = argument;
    CHECK_EQ(pwrite(holder->target, holder->fault->page, 1, FAR), 1);
    return NULL;
}

/* Whether a thread of the engine is inside pwrite(2) to an offset before FAR. */
static bool engine_writes(void)
{
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(tasks));) {
        char path[300];
        snprintf(path, sizeof path, "/proc/self/task/%s/syscall", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
        if (!file) continue;
        long number = -1;
        unsigned long fd, bytes, count, offset;
        int fields = fscanf(file, "%ld %lx %lx %lx %lx", &number, &fd, &bytes, &count, &offset);
        found = fields == 5 && number == SYS_pwrite64 && offset < FAR;
        fclose(file);
    }
    closedir(tasks);
    return found;
}

TEST("mapped counts no zeros when a file shrinks during its write")
{
    struct fault fault = fault_page();
    if (access("/proc/self/syscall", R_OK) == -1) SKIP("no /proc/self/syscall: %m");
    struct context context = context_open();
    int source = memory_file_of(LENGTH), target = memory_file_of(0);
    struct holder holder = {.target = target, .fault = &fault};
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, hold_lock, &holder), 0);
    fault_await(&fault);

    int32_t job = job_open(&context, source, target);
    job_start(job, request(SLUICE_MAPPED, 0, LENGTH, 0));
    test_note("waiting for the engine to be in its write");
    while (!engine_writes())
        usleep(500);
    MUST(ftruncate(source, END));
    fault_resolve(&fault);
    CHECK_EQ(pthread_join(thread, NULL), 0);

    check_outcome(next_outcome(&context), SLUICE_END_EOF, END);
    struct contents copy = read_file(target);
    check_pattern(copy.bytes, END, 0);
    free(copy.bytes);
    context_close(&context);
}
