/*
 * Whether a test hangs, from what its process group is seen to do once a second: as test/support/patience.ts has it for
 * everything else, except that a test says nothing while it runs.
 */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdint.h>
#include <sys/types.h>

struct patience {
    int64_t limit_ms, spent_ms, idle_ms, burnt_ms;
    int64_t cpu_ms; /* at the last look */
};

/* Another second has passed: what makes the group be taken to hang, or NULL. */
const char *patience_look(struct patience *patience, pid_t group);

#endif
