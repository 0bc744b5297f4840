/* System calls that answer -errno, and the few helpers that every file needs. */
#ifndef SLUICE_SYS_H
#define SLUICE_SYS_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * syscall(2) rather than the C library's own wrappers: the library is linked against no libc by
 * name, so it must not depend on symbols that glibc versioned or gained late (fstat 2.33,
 * copy_file_range 2.27, preadv2 2.26) or that musl lacks.
 */
#define SYS(name, ...) sys_result(syscall(SYS_##name, ##__VA_ARGS__))

static inline int64_t sys_result(long result)
{
    return result == -1 ? -errno : result;
}

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Descriptors that the engine keeps, for sluice_census(); what is handed to JavaScript is none. Of descriptors.c. */
extern _Atomic int32_t kept_fds;

/* Counts what was opened to be kept: the answer of a system call, descriptor or -errno. */
static inline int64_t keep_fd(int64_t fd)
{
    if (fd >= 0) atomic_fetch_add_explicit(&kept_fds, 1, memory_order_relaxed);
    return fd;
}

/* Counts it no more: it is closed, or another's. */
static inline int give_fd(int fd)
{
    if (fd >= 0) atomic_fetch_sub_explicit(&kept_fds, 1, memory_order_relaxed);
    return fd;
}

/* close(2) frees the descriptor even when it reports EINTR (Linux), so it is never repeated. */
static inline void close_kept(int fd)
{
    if (fd >= 0) SYS(close, give_fd(fd));
}

static inline void close_fd(int *fd)
{
    close_kept(*fd);
    *fd = -1;
}

#endif
