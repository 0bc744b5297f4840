/* Locks on ranges of a file, owned by the open file description and not by the process (fcntl(2); Linux 3.15). */
#include <fcntl.h>

#include "../include/sluice.h"
#include "sys.h"

static const short types[] = {
    [SLUICE_LOCK_NONE] = F_UNLCK,
    [SLUICE_LOCK_SHARED] = F_RDLCK,
    [SLUICE_LOCK_EXCLUSIVE] = F_WRLCK,
};

int32_t sluice_lock(int32_t fd, uint32_t type, void *range)
{
    const struct sluice_extent *extent = range;
    if (type >= sizeof types / sizeof *types) return -EINVAL;
    /* A length of 0 would be to the end, too. */
    if (extent->end >= 0 && extent->end <= extent->start) return -EINVAL;
    struct flock lock = {
        .l_type = types[type],
        .l_whence = SEEK_SET,
        .l_start = extent->start,
        /* 0: to the end, wherever that comes to be. */
        .l_len = extent->end < 0 ? 0 : extent->end - extent->start,
    };
    return (int32_t)SYS(fcntl, fd, F_OFD_SETLK, &lock);
}
