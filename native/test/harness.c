#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "patience.h"
#include "sluice.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
#define LIMIT_MS 60000
#else
#define LIMIT_MS 30000
#endif

enum { EXIT_PASS = 0, EXIT_FAIL = 1, EXIT_SKIP = 77, TEST_LIMIT = 512 };

static struct test {
    char name[120];
    test_body *body;
    const void *argument;
} tests[TEST_LIMIT];
static int test_count;

/* Shared with the forked test: why it failed or was skipped, or what it waits for. */
static char *message;
static pthread_mutex_t message_lock = PTHREAD_MUTEX_INITIALIZER;
enum { MESSAGE_SIZE = 4096 };

void test_add(const char *name, test_body *body, const void *argument)
{
    if (test_count == TEST_LIMIT) abort();
    struct test *test = &tests[test_count++];
    snprintf(test->name, sizeof test->name, "%s", name);
    test->body = body;
    test->argument = argument;
}

void test_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&message_lock);
    vsnprintf(message, MESSAGE_SIZE, format, arguments);
    pthread_mutex_unlock(&message_lock);
    va_end(arguments);
}

_Noreturn void test_fail(const char *file, int line, const char *format, ...)
{
    const char *base = strrchr(file, '/');
    pthread_mutex_lock(&message_lock); /* for good: the first failure is the one that is told */
    int at = snprintf(message, MESSAGE_SIZE, "%s:%d: ", base ? base + 1 : file, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + at, (size_t)(MESSAGE_SIZE - at), format, arguments);
    va_end(arguments);
    _exit(EXIT_FAIL);
}

_Noreturn void test_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&message_lock);
    vsnprintf(message, MESSAGE_SIZE, format, arguments);
    va_end(arguments);
    _exit(EXIT_SKIP);
}

static pthread_mutex_t owned_lock = PTHREAD_MUTEX_INITIALIZER;
static bool owned[FD_LIMIT];

int own(int fd)
{
    if (fd == -1) FAIL("a descriptor to own: %m");
    CHECK(fd >= 0 && fd < FD_LIMIT);
    pthread_mutex_lock(&owned_lock);
    owned[fd] = true;
    pthread_mutex_unlock(&owned_lock);
    return fd;
}

void drop(int fd)
{
    pthread_mutex_lock(&owned_lock);
    CHECK(owned[fd]);
    owned[fd] = false;
    MUST(close(fd));
    pthread_mutex_unlock(&owned_lock);
}

int open_fds(bool set[FD_LIMIT])
{
    memset(set, 0, FD_LIMIT * sizeof *set);
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) FAIL("/proc/self/fd: %m");
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(folder)) continue;
        CHECK(fd < FD_LIMIT);
        set[fd] = true;
        count++;
    }
    closedir(folder);
    return count;
}

/* Counts the open descriptors that are neither `before`'s nor the engine's own; names the first in `name`. */
static int count_leaks(const bool before[FD_LIMIT], char *name, size_t name_size, int *kept)
{
    /*
     * The engine keeps for good: epoll sets and wake-ups (anonymous inodes), its own and its four relays', and pooled
     * pipes.
     */
    enum { ENGINE_INODES = 3 + 2 * 4 };
    static bool after[FD_LIMIT];
    struct sluice_census census;
    CHECK_EQ(sluice_census(&census), 0);
    int inodes = ENGINE_INODES, pipe_ends = 2 * (int)census.pooled_pipes, leaks = 0;
    open_fds(after);
    *kept = 0;
    for (int fd = 0; fd < FD_LIMIT; fd++) {
        if (!after[fd] || before[fd]) continue;
        ++*kept;
        char link[64], path[256] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink(link, path, sizeof path - 1) < 0) continue;
        if (strncmp(path, "anon_inode:", 11) == 0 && inodes-- > 0) continue;
        if (strncmp(path, "pipe:", 5) == 0 && pipe_ends-- > 0) continue;
        if (leaks++ == 0) snprintf(name, name_size, "%d -> %s", fd, path);
    }
    return leaks;
}

static void await_no_leaks(const bool before[FD_LIMIT])
{
    struct sluice_census census;
    for (;;) {
        CHECK_EQ(sluice_census(&census), 0);
        char name[300] = "none";
        int kept, leaks = count_leaks(before, name, sizeof name, &kept);
        bool at_rest = census.contexts == 0 && census.jobs == 0 && census.pairs == 0 && leaks == 0;
        if (at_rest && kept == (int)census.descriptors && census.running == 0 && census.memory_bytes == 0) return;
        test_note(
            "after the test the engine holds %u contexts, %u jobs, %u of %d descriptors; %d leaked, the first: %s",
            census.contexts, census.jobs, census.descriptors, kept, leaks, name);
        usleep(2000);
    }
}

/* Ends by exit(), so that sanitizers report what they found. */
static _Noreturn void run_test(const struct test *test)
{
    static bool before[FD_LIMIT];
    setpgid(0, 0);
    signal(SIGALRM, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    open_fds(before);
    test->body(test->argument);
    for (int fd = 0; fd < FD_LIMIT; fd++)
        if (owned[fd]) drop(fd);
    await_no_leaks(before);
    exit(EXIT_PASS);
}

/* Waits for a test to end, or to hang; answers why it was killed. */
static const char *await_end(pid_t child, int *status)
{
    struct patience patience = {.limit_ms = LIMIT_MS};
    const char *hung = NULL;
    /* SIGALRM interrupts the wait once a second. */
    while (waitpid(child, status, 0) == -1 && errno == EINTR)
        if (!hung && (hung = patience_look(&patience, child))) kill(-child, SIGKILL);
    return hung;
}

static void wake(int signal_number)
{
    (void)signal_number;
}

static void wake_each_second(void)
{
    struct sigaction action = {.sa_handler = wake};
    struct itimerval second = {.it_interval = {.tv_sec = 1}, .it_value = {.tv_sec = 1}};
    MUST(sigaction(SIGALRM, &action, NULL));
    MUST(setitimer(ITIMER_REAL, &second, NULL));
}

/* Runs one test in a process of its own and prints its line. */
static int run_forked(const struct test *test)
{
    message[0] = '\0';
    fflush(stdout);
    pid_t child = fork();
    if (child == -1) {
        perror("fork");
        exit(EXIT_FAIL);
    }
    if (child == 0) run_test(test);
    int status;
    const char *hung = await_end(child, &status);
    kill(-child, SIGKILL);

    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (hung)
        printf("not ok %s: killed, %s; last note: %s\n", test->name, hung, message);
    else if (code == EXIT_PASS)
        printf("ok %s\n", test->name);
    else if (code == EXIT_SKIP)
        printf("skip %s: %s\n", test->name, message);
    else if (code == EXIT_FAIL)
        printf("not ok %s: %s\n", test->name, message[0] ? message : "ended with 1");
    else if (WIFSIGNALED(status))
        printf("not ok %s: killed by %s\n", test->name, strsignal(WTERMSIG(status)));
    else
        printf("not ok %s: ended with %d (a sanitizer's report is above)\n", test->name, code);
    return !hung && (code == EXIT_PASS || code == EXIT_SKIP) ? 0 : 1;
}

static void raise_fd_limit(void)
{
    struct rlimit limit;
    MUST(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max < FD_LIMIT ? limit.rlim_max : FD_LIMIT;
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
}

static bool is_wanted(const struct test *test, char **filters)
{
    if (!*filters) return true;
    for (; *filters; filters++)
        if (strstr(test->name, *filters)) return true;
    return false;
}

/* Arguments are parts of names: only tests that hold one of them run. The last line counts the tests. */
int main(int argc, char **argv)
{
    (void)argc;
    message = mmap(NULL, MESSAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (message == MAP_FAILED) return EXIT_FAIL;
    raise_fd_limit();
    wake_each_second();
    int failed = 0, ran = 0;
    for (int i = 0; i < test_count; i++) {
        if (!is_wanted(&tests[i], argv + 1)) continue;
        ran++;
        failed += run_forked(&tests[i]);
    }
    printf("end %d\n", ran);
    return failed ? EXIT_FAIL : EXIT_PASS;
}
