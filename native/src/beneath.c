/* Opening what lies beneath a folder, and nothing else. */
#include <fcntl.h>

#include "../include/sluice.h"
#include "sys.h"

/* openat2(2), Linux 5.6, which older headers lack. */
#ifndef SYS_openat2
#define SYS_openat2 437 /* the same on every architecture */
#endif

struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

enum {
    RESOLVE_NO_MAGICLINKS = 0x02,
    RESOLVE_BENEATH = 0x08,
    RESOLVE_CACHED = 0x20, /* Linux 5.12 */
};

static int64_t open_at(int folder, const char *path, const struct how *how)
{
    /* EAGAIN without RESOLVE_CACHED: a rename raced with a "..", and the kernel could not rule out an escape. */
    int64_t fd;
    int tries = how->resolve & RESOLVE_CACHED ? 1 : 32;
    do
        fd = SYS(openat2, folder, path, how, sizeof *how);
    while (fd == -EAGAIN && --tries > 0);
    return fd;
}

static const struct {
    uint32_t asked;
    uint64_t flag;
} open_flags[] = {
    {SLUICE_OPEN_CREATE, O_CREAT}, {SLUICE_OPEN_EXCLUSIVE, O_EXCL},      {SLUICE_OPEN_TRUNCATE, O_TRUNC},
    {SLUICE_OPEN_PATH, O_PATH},    {SLUICE_OPEN_DIRECTORY, O_DIRECTORY}, {SLUICE_OPEN_NO_FOLLOW, O_NOFOLLOW},
};

int32_t sluice_open_at(int32_t folder, void *path, uint32_t flags)
{
    uint32_t access = flags & (SLUICE_OPEN_READ | SLUICE_OPEN_WRITE);
    /* openat2(2) refuses what it doesn't expect: O_NONBLOCK beside O_PATH, a mode without O_CREAT. */
    struct how how = {
        .flags = O_CLOEXEC | (flags & SLUICE_OPEN_PATH ? 0 : O_NONBLOCK | O_NOCTTY),
        .mode = flags & SLUICE_OPEN_CREATE ? 0666 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    if (access == (SLUICE_OPEN_READ | SLUICE_OPEN_WRITE))
        how.flags |= O_RDWR;
    else if (access == SLUICE_OPEN_WRITE)
        how.flags |= O_WRONLY;
    for (size_t i = 0; i < sizeof open_flags / sizeof *open_flags; i++)
        if (flags & open_flags[i].asked) how.flags |= open_flags[i].flag;
    return (int32_t)open_at(folder, path, &how);
}

int32_t sluice_open_beneath(void *root, void *path, uint32_t cached)
{
    uint64_t resolve = cached ? RESOLVE_CACHED : 0;
    /* O_NONBLOCK: a FIFO without a writer is opened at once, and closed when it turns out to be one. */
    const struct how outer = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = resolve};
    const struct how inner = {
        .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
        .resolve = resolve | RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int64_t folder = open_at(AT_FDCWD, root, &outer);
    if (folder < 0) return (int32_t)folder;
    int64_t fd = open_at((int)folder, path, &inner);
    SYS(close, folder);
    return (int32_t)fd;
}
