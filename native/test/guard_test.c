/* The SIGBUS guard: what a mapping shows when its file shrinks, and who else hears of the signal. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

enum { PAGE = 64 * KIB, LENGTH = 8 * PAGE };

struct view {
    int32_t handle;
    int fd;
    volatile uint8_t *bytes;
};

static struct view map_range(int fd, int64_t offset, int64_t length, bool shared)
{
    struct sluice_mapping mapping = {.shared = shared, .offset = offset, .length = length};
    int32_t handle = sluice_map(0, fd, &mapping);
    CHECK_GE(handle, 1);
    return (struct view){.handle = handle, .fd = fd, .bytes = (volatile uint8_t *)(intptr_t)mapping.address};
}

static struct view map_file(bool shared)
{
    return map_range(file_of(LENGTH), 0, LENGTH, shared);
}

static int64_t lost(int32_t handle)
{
    struct sluice_loss loss = {.offset = -2};
    CHECK_EQ(sluice_map_lost(handle, &loss), 0);
    return loss.offset;
}

static void unmap(struct view view)
{
    CHECK_EQ(sluice_unmap(view.handle), 0);
}

TEST("sluice_map() shows the file from an offset")
{
    struct view view = map_range(file_of(LENGTH), PAGE, PAGE + 5, false);
    check_pattern((const uint8_t *)view.bytes, PAGE + 5, PAGE);
    CHECK_EQ(lost(view.handle), -1);
    unmap(view);
}

/* The harness finds the descriptor if it is left. */
TEST("a mapping goes with its context, and whoever has been given a view of it reads zeros")
{
    struct context context = context_open(), other = context_open();
    int fd = file_of(LENGTH);
    struct sluice_mapping mapping = {.offset = 0, .length = LENGTH}, kept = mapping;
    int32_t handle = sluice_map(context.handle, fd, &mapping), second = sluice_map(context.handle, fd, &mapping);
    int32_t others = sluice_map(other.handle, fd, &kept);
    CHECK_GE(handle, 1);
    CHECK_GE(second, 1);
    CHECK_GE(others, 1);
    volatile uint8_t *bytes = (volatile uint8_t *)(intptr_t)mapping.address;
    CHECK(bytes[PAGE] != 0);
    context_close(&context);
    CHECK_EQ(bytes[PAGE], 0);
    CHECK_EQ(sluice_unmap(handle), -EBADF);
    CHECK_EQ(sluice_unmap(second), -EBADF);
    CHECK(((volatile uint8_t *)(intptr_t)kept.address)[PAGE] != 0);
    CHECK_EQ(sluice_unmap(others), 0);
    context_close(&other);
}

TEST("a stale handle of a mapping stays wrong however often the table is used")
{
    int fd = file_of(LENGTH);
    struct sluice_mapping mapping = {.offset = 0, .length = PAGE};
    int32_t stale = sluice_map(0, fd, &mapping);
    CHECK_EQ(sluice_unmap(stale), 0);
    for (int i = 0; i < 70000; i++) {
        int32_t handle = sluice_map(0, fd, &mapping);
        CHECK_GE(handle, 1);
        CHECK(handle != stale);
        CHECK_EQ(sluice_unmap(handle), 0);
    }
}

TEST("sluice_map() answers what mmap(2) does, and holds nothing then")
{
    struct sluice_mapping mapping = {.offset = 1, .length = PAGE};
    int fd = file_of(LENGTH);
    CHECK_EQ(sluice_map(0, fd, &mapping), -EINVAL);
    CHECK_EQ(sluice_map(0, -1, &mapping), -EBADF);
    int reader = own((int)MUST(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
    mapping = (struct sluice_mapping){.shared = 1, .length = PAGE};
    CHECK_EQ(sluice_map(0, reader, &mapping), -EACCES);
    mapping.shared = 0;
    CHECK_EQ(sluice_map(0, source_pipe().engine, &mapping), -ENODEV);
}

TEST("handles that name no mapping are refused")
{
    struct view view = map_file(false);
    struct sluice_loss loss;
    CHECK_EQ(sluice_map_blank(view.handle), 0);
    CHECK_EQ(sluice_map_lost(view.handle, &loss), -EBADF);
    CHECK_EQ(sluice_map_blank(view.handle), -EBADF);
    unmap(view);
    for (int32_t handle = -1; handle < 3; handle++)
        CHECK_EQ(sluice_unmap(handle), -EBADF);
    CHECK_EQ(sluice_unmap(view.handle), -EBADF);
    struct view other = map_file(false);
    CHECK(other.handle != view.handle);
    CHECK_EQ(sluice_unmap(view.handle), -EBADF);
    unmap(other);
}

static void check_hole(bool shared)
{
    struct view view = map_file(shared);
    MUST(ftruncate(view.fd, PAGE + 100));
    errno = ENOTTY;
    CHECK_EQ(view.bytes[5 * PAGE], 0);
    CHECK_EQ(errno, ENOTTY);
    view.bytes[5 * PAGE] = 7;
    view.bytes[2 * PAGE] = 8;
    check_pattern((const uint8_t *)view.bytes, PAGE + 100, 0);
    CHECK_EQ(lost(view.handle), PAGE + 100);
    MUST(ftruncate(view.fd, LENGTH));
    CHECK_EQ(lost(view.handle), PAGE + 100);
    CHECK_EQ(view.bytes[5 * PAGE], 7);
    unmap(view);
}

TEST("a hole reads as zeros and takes writes, and the loss is remembered when the file grows again")
{
    check_hole(false);
    check_hole(true);
}

TEST("zeros behind the end of the last page are a loss, although they raise no signal")
{
    struct view view = map_file(false);
    MUST(ftruncate(view.fd, 10));
    CHECK_EQ(view.bytes[11], 0);
    CHECK_EQ(lost(view.handle), 10);
    unmap(view);
}

TEST("offsets of losses count from the start of the file")
{
    struct view view = map_range(file_of(LENGTH), 2 * PAGE, PAGE, false);
    MUST(ftruncate(view.fd, 3 * PAGE));
    CHECK_EQ(lost(view.handle), -1);
    MUST(ftruncate(view.fd, PAGE));
    MUST(ftruncate(view.fd, LENGTH));
    CHECK_EQ(view.bytes[0], 0);
    MUST(ftruncate(view.fd, 2 * PAGE));
    CHECK_EQ(lost(view.handle), 2 * PAGE);
    unmap(view);
}

TEST("a blank mapping is zeros that take writes")
{
    struct view view = map_file(true);
    CHECK_EQ(sluice_map_blank(view.handle), 0);
    for (int64_t at = 0; at < LENGTH; at += PAGE)
        CHECK_EQ(view.bytes[at], 0);
    view.bytes[PAGE] = 1;
    uint8_t byte;
    CHECK_EQ(MUST(pread(view.fd, &byte, 1, PAGE)), 1);
    check_pattern(&byte, 1, PAGE);
    unmap(view);
}

TEST("advice, residency and flush take ranges inside the mapping")
{
    struct view view = map_file(true);
    struct sluice_extent inside = {.start = 5, .end = LENGTH}, outside = {.start = 0, .end = LENGTH + 1};
    for (uint32_t advice = SLUICE_ADVICE_NORMAL; advice <= SLUICE_ADVICE_WILL_NEED; advice++)
        CHECK_EQ(sluice_map_advise(view.handle, &inside, advice), 0);
    CHECK_EQ(sluice_map_advise(view.handle, &outside, SLUICE_ADVICE_NORMAL), -EINVAL);
    view.bytes[PAGE] = 99;
    CHECK_EQ(sluice_map_flush(view.handle, &inside), 0);
    CHECK_EQ(sluice_map_flush(view.handle, &outside), -EINVAL);
    struct sluice_residency residency = {.start = 1, .end = LENGTH};
    CHECK_EQ(sluice_map_residency(view.handle, &residency), 0);
    CHECK_EQ(residency.bytes, LENGTH);
    residency.start = LENGTH;
    CHECK_EQ(sluice_map_residency(view.handle, &residency), 0);
    CHECK_EQ(residency.bytes, 0);
    residency.end = -1;
    CHECK_EQ(sluice_map_residency(view.handle, &residency), -EINVAL);
    unmap(view);
}

/* A mapping that isn't ours, of a file that is empty by now. */
static volatile uint8_t *foreign_hole(void)
{
    int fd = file_of(PAGE);
    volatile uint8_t *bytes = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(bytes != MAP_FAILED);
    MUST(ftruncate(fd, 0));
    return bytes;
}

static void touch_foreign_hole(void)
{
    (void)foreign_hole()[0];
}

static void send_signal(void)
{
    kill(getpid(), SIGBUS);
}

static void set_handler(struct sigaction action)
{
    MUST(sigaction(SIGBUS, &action, NULL));
}

/* How a child ends that had `former` as its disposition when the guard came, and then raises a foreign SIGBUS. */
static int status_of(struct sigaction former, void (*raise_signal)(void))
{
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        set_handler(former);
        struct view view = map_file(false);
        MUST(ftruncate(view.fd, 0));
        if (view.bytes[PAGE] != 0 || lost(view.handle) != 0) _exit(1);
        raise_signal();
        _exit(0);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    return status;
}

static void check_killed(int status)
{
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGBUS);
}

static void check_exit(int status, int code)
{
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), code);
}

TEST("a foreign SIGBUS ends the process where nobody handled it before")
{
    struct sigaction former = {.sa_handler = SIG_DFL};
    check_killed(status_of(former, touch_foreign_hole));
    check_killed(status_of(former, send_signal));
}

TEST("a process that ignores SIGBUS ignores those that are sent, and none of the kernel's")
{
    struct sigaction former = {.sa_handler = SIG_IGN};
    check_exit(status_of(former, send_signal), 0);
    check_killed(status_of(former, touch_foreign_hole));
}

static void exit_by_code(int number, siginfo_t *info, void *context)
{
    bool fault = info->si_code == BUS_ADRERR && info->si_addr;
    _exit(number != SIGBUS || !context ? 9 : fault ? 3 : info->si_code == SI_USER && info->si_pid == getpid() ? 4 : 5);
}

TEST("a former handler with SA_SIGINFO gets what the kernel told")
{
    struct sigaction former = {.sa_sigaction = exit_by_code, .sa_flags = SA_SIGINFO};
    check_exit(status_of(former, touch_foreign_hole), 3);
    check_exit(status_of(former, send_signal), 4);
}

static void exit_by_number(int number)
{
    _exit(number == SIGBUS ? 6 : 9);
}

TEST("a former handler without SA_SIGINFO gets the signal's number")
{
    struct sigaction former = {.sa_handler = exit_by_number};
    check_exit(status_of(former, touch_foreign_hole), 6);
    check_exit(status_of(former, send_signal), 6);
}

static _Atomic int calls;

static void count_call(int number)
{
    (void)number;
    atomic_fetch_add(&calls, 1);
}

static void send_twice(void)
{
    send_signal();
    if (atomic_load(&calls) != 1) _exit(7);
    send_signal();
}

TEST("a former handler that was to run once runs once")
{
    struct sigaction former = {.sa_handler = count_call, .sa_flags = SA_RESETHAND};
    check_killed(status_of(former, send_twice));
}

static void give_up(int number)
{
    signal(number, SIG_DFL);
}

static void send_and_go_on(void)
{
    send_signal();
    struct view view = map_file(false);
    MUST(ftruncate(view.fd, 0));
    if (view.bytes[PAGE] != 0) _exit(7);
    send_signal();
}

TEST("a former handler that goes back to the default does so for itself alone")
{
    struct sigaction former = {.sa_handler = give_up};
    check_killed(status_of(former, send_and_go_on));
    check_killed(status_of(former, touch_foreign_hole));
}

static void send_masked(void)
{
    struct sigaction now;
    MUST(sigaction(SIGBUS, NULL, &now));
    bool kept =
        sigismember(&now.sa_mask, SIGUSR1) && !sigismember(&now.sa_mask, SIGUSR2) &&
        (now.sa_flags & (SA_NODEFER | SA_RESTART | SA_SIGINFO | SA_ONSTACK)) == (SA_NODEFER | SA_SIGINFO | SA_ONSTACK);
    _exit(kept ? 0 : 8);
}

TEST("the guard blocks and interrupts what the former handler did")
{
    struct sigaction former = {.sa_handler = count_call, .sa_flags = SA_NODEFER};
    sigaddset(&former.sa_mask, SIGUSR1);
    check_exit(status_of(former, send_masked), 0);
}

TEST("a fault on a thread with an alternate stack is handled there")
{
    struct view view = map_file(false);
    size_t size = 256 * KIB; /* sanitizers need more than SIGSTKSZ */
    stack_t stack = {.ss_sp = malloc(size), .ss_size = size};
    MUST(sigaltstack(&stack, NULL));
    MUST(ftruncate(view.fd, 0));
    CHECK_EQ(view.bytes[0], 0);
    unmap(view);
    stack.ss_flags = SS_DISABLE;
    MUST(sigaltstack(&stack, NULL));
    free(stack.ss_sp);
}

enum { READERS = 4, ROUNDS = 300 };

static struct view contested;
static pthread_barrier_t gate;

/* Bytes are the file's until the end that was lost, or zeros. `lost` is asked after the bytes have been read. */
static void *reader_main(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&gate);
        for (int i = 0; i < 40; i++) {
            int64_t at = rand_r(&seed) % LENGTH;
            uint8_t byte = contested.bytes[at], expected;
            pattern_fill(&expected, 1, at);
            if (byte == expected) continue;
            CHECK_EQ(byte, 0);
            struct sluice_loss loss = {0};
            int32_t answer = sluice_map_lost(contested.handle, &loss);
            /* EBADF: it is retired by now, and its zeros are nobody's data. */
            if (answer != -EBADF) {
                CHECK_EQ(answer, 0);
                CHECK(loss.offset >= 0 && loss.offset <= at);
            }
        }
        pthread_barrier_wait(&gate);
    }
    return NULL;
}

/*
 * All threads read one mapping while its file is truncated and the mapping is made blank; its addresses then go to
 * others at once. A handler that came late would write zeros over those.
 */
TEST("truncation, faults on several threads and closing race without harm")
{
    pthread_t readers[READERS];
    pthread_barrier_init(&gate, NULL, READERS + 1);
    for (uintptr_t i = 0; i < READERS; i++)
        CHECK_EQ(pthread_create(&readers[i], NULL, reader_main, (void *)(i + 1)), 0);
    unsigned seed = 99;
    for (int round = 0; round < ROUNDS; round++) {
        contested = map_file(round % 2);
        pthread_barrier_wait(&gate);
        MUST(ftruncate(contested.fd, rand_r(&seed) % LENGTH));
        if (rand_r(&seed) % 2) sched_yield();
        CHECK_EQ(sluice_map_blank(contested.handle), 0);
        pthread_barrier_wait(&gate);
        unmap(contested);
        drop(contested.fd);
        uint8_t *canary = mmap((void *)(uintptr_t)contested.bytes, LENGTH, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (canary == MAP_FAILED) continue;
        memset(canary, 0x5a, LENGTH);
        for (int at = 0; at < LENGTH; at += KIB)
            CHECK_EQ(canary[at], 0x5a);
        MUST(munmap(canary, LENGTH));
    }
    for (int i = 0; i < READERS; i++)
        CHECK_EQ(pthread_join(readers[i], NULL), 0);
    pthread_barrier_destroy(&gate);
}

/* Mappings come and go on every thread, and each is truncated and read: the table is changed while it is searched. */
static void *churner_main(void *argument)
{
    (void)argument;
    int fd = file_of(LENGTH);
    for (int round = 0; round < ROUNDS; round++) {
        MUST(ftruncate(fd, LENGTH));
        struct view view = map_range(fd, 0, LENGTH, round % 2);
        MUST(ftruncate(fd, PAGE));
        CHECK_EQ(view.bytes[(1 + round % 7) * PAGE], 0);
        CHECK_EQ(lost(view.handle), PAGE);
        check_pattern((const uint8_t *)view.bytes, 100, 0);
        unmap(view);
    }
    return NULL;
}

TEST("mappings come and go on eight threads, each with faults of its own")
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churner_main, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}
