/* What copying whole files needs beyond moving their bytes. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "job.h"

int32_t sluice_next_extent(int32_t fd, void *extent)
{
    struct sluice_extent *run = extent;
    int64_t position = SYS(lseek, fd, 0, SEEK_CUR);
    if (position < 0) return (int32_t)position;
    int64_t start = SYS(lseek, fd, run->start, SEEK_DATA);
    int64_t end = start < 0 ? start : SYS(lseek, fd, start, SEEK_HOLE);
    SYS(lseek, fd, position, SEEK_SET);
    if (end < 0) return (int32_t)end;
    run->start = start;
    run->end = end;
    return 0;
}

/* linkat(2) on the descriptor's own entry in /proc: AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH. */
int32_t sluice_publish(int32_t fd, void *path)
{
    char own[32];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    return (int32_t)SYS(linkat, AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

int32_t sluice_set_times(int32_t fd, void *times)
{
    const struct sluice_times *given = times;
    struct timespec both[2] = {
        {.tv_sec = given->access_s, .tv_nsec = given->access_ns},
        {.tv_sec = given->modify_s, .tv_nsec = given->modify_ns},
    };
    return (int32_t)SYS(utimensat, fd, NULL, both, 0);
}
