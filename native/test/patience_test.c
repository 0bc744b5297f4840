/* The harness's own patience. */
#include "patience.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

/* A process group of one. */
static pid_t start(bool computes)
{
    pid_t child = (pid_t)MUST(fork());
    if (child > 0) {
        MUST(setpgid(child, child));
        return child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    volatile bool goes_on = true;
    while (goes_on)
        if (!computes) pause();
    _exit(0);
}

static void end(pid_t child)
{
    MUST(kill(child, SIGKILL));
    MUST(waitpid(child, NULL, 0));
}

TEST("a group that waits hangs, and one that computes only when it has computed for three times as long")
{
    struct patience waiting = {.limit_ms = 1500}, computing = waiting;
    pid_t waiter = start(false), computer = start(true);
    CHECK(!patience_look(&waiting, waiter));
    const char *why = patience_look(&waiting, waiter);
    CHECK(why && strcmp(why, "it does nothing") == 0);
    int looks = 0;
    while (!(why = patience_look(&computing, computer)) && looks++ < 12) {
        /* A look stands for a second, and finds the CPU time that there really was. */
        int64_t before = computing.cpu_ms;
        for (struct patience probe = computing; probe.cpu_ms - before < 900; patience_look(&probe, computer))
            usleep(20000);
    }
    CHECK(strcmp(why ? why : "", "it computes for ever") == 0);
    CHECK_GE(looks, 4);
    end(waiter);
    end(computer);
}

TEST("a group that goes on for ever hangs")
{
    struct patience patience = {.limit_ms = 1500};
    pid_t computer = start(true);
    const char *why = NULL;
    for (int looks = 0; looks < 16 && !why; looks++) {
        int64_t before = patience.cpu_ms;
        for (struct patience probe = patience; probe.cpu_ms - before < 60; patience_look(&probe, computer))
            usleep(5000);
        why = patience_look(&patience, computer);
    }
    CHECK(strcmp(why ? why : "", "it does not come to an end") == 0);
    end(computer);
}
