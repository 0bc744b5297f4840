/* What the kernel allows the process. */
#include "job.h"

/* getrlimit(2)'s number and the kernel's own record: the C library's depend on how it was compiled. */
enum { OPEN_FILES = 7 };

struct limit {
    uint64_t soft, hard;
};

int32_t sluice_allow_files(uint32_t wanted)
{
    struct limit limit;
    int64_t failed = SYS(prlimit64, 0, OPEN_FILES, NULL, &limit);
    if (failed < 0 || limit.soft >= wanted) return (int32_t)failed;
    limit.soft = wanted;
    if (limit.hard < wanted) limit.hard = wanted;
    return (int32_t)SYS(prlimit64, 0, OPEN_FILES, &limit, NULL);
}
