#include "slow.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuse.h"
#include "harness.h"

static char folder[] = "slow-XXXXXX";
static FILE *orders, *answers;

static void read_line(char *line, int size)
{
    test_note("waiting for the filesystem's answer");
    if (!fgets(line, size, answers)) SKIP("no filesystem of FUSE can be mounted here");
}

void slow_mount(void)
{
    int to[2], from[2];
    char line[64];
    if (geteuid() != 0) SKIP("not running as root");
    if (unshare(CLONE_NEWNS) == -1) SKIP("no mount namespace: %m");
    MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    CHECK(mkdtemp(folder) != NULL);
    MUST(pipe2(to, O_CLOEXEC));
    MUST(pipe2(from, O_CLOEXEC));
    if (MUST(fork()) == 0) {
        close(to[1]);
        close(from[0]);
        _exit(fuse_serve(folder, to[0], from[1]));
    }
    close(to[0]);
    close(from[1]);
    orders = fdopen(own(to[1]), "w");
    answers = fdopen(own(from[0]), "r");
    read_line(line, sizeof line);
    CHECK_EQ(strcmp(line, "ready\n"), 0);
}

int slow_file(const char *name, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return own((int)MUST(open(path, flags | O_CLOEXEC)));
}

static void send_order(const char *order, const char *operation)
{
    fprintf(orders, "%s%s\n", order, operation);
    fflush(orders);
}

void slow_order(const char *order)
{
    char line[64];
    send_order(order, "");
    read_line(line, sizeof line);
    CHECK_EQ(strcmp(line, "done\n"), 0);
}

int64_t slow_count(const char *operation)
{
    char line[64], done[64];
    send_order("count ", operation);
    read_line(line, sizeof line);
    read_line(done, sizeof done);
    return strtoll(line, NULL, 10);
}

void slow_await(const char *operation, int64_t count)
{
    while (slow_count(operation) < count)
        usleep(1000);
}
