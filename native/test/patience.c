#include "patience.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 1000, LEAST_SHARE = 20, BURNING = 3, ENDURING = 10, TICK_MS = 10 };

/* CPU time of a process and of the children that it has waited for, if it is of that group. */
static int64_t process_cpu_ms(const char *pid, pid_t group)
{
    char path[300], text[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file) return 0; /* it has ended since */
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    /* The name, in parentheses, may hold anything. */
    const char *behind = strrchr(text, ')');
    int its_group;
    unsigned long user, system;
    long child_user, child_system;
    if (!behind || sscanf(behind + 1, " %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &its_group, &user,
                          &system, &child_user, &child_system) != 5)
        return 0;
    if (its_group != group) return 0;
    return (int64_t)(user + system + (unsigned long)child_user + (unsigned long)child_system) * TICK_MS;
}

static int64_t group_cpu_ms(pid_t group)
{
    DIR *folder = opendir("/proc");
    if (!folder) return 0;
    int64_t sum = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (isdigit((unsigned char)entry->d_name[0])) sum += process_cpu_ms(entry->d_name, group);
    closedir(folder);
    return sum;
}

const char *patience_look(struct patience *patience, pid_t group)
{
    int64_t cpu_ms = group_cpu_ms(group), before = patience->cpu_ms;
    /* A child that nobody waits for takes its time along. */
    int64_t used = cpu_ms > before ? cpu_ms - before : 0;
    int64_t excused = used * LEAST_SHARE < LOOK_MS ? used * LEAST_SHARE : LOOK_MS;
    patience->cpu_ms = cpu_ms;
    patience->burnt_ms += used;
    patience->spent_ms += LOOK_MS;
    patience->idle_ms += LOOK_MS - excused;
    if (patience->idle_ms > patience->limit_ms) return "it does nothing";
    if (patience->burnt_ms > patience->limit_ms * BURNING) return "it computes for ever";
    return patience->spent_ms > patience->limit_ms * ENDURING ? "it does not come to an end" : NULL;
}
