/* What JavaScript does with file leases (fcntl(2), F_SETLEASE). */
#include "lease.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/*
 * The descriptor that a lease is taken on. A read lease gets an open file description of its own, since two on one
 * would be one lease, gone with the first release. A write lease allows no other description, so it takes the caller's.
 */
static int open_own(int fd, uint32_t type)
{
    struct stat status;
    int64_t failed = SYS(fstat, fd, &status);
    if (failed < 0) return (int)failed;
    if (!S_ISREG(status.st_mode)) return -EINVAL;
    if (type == SLUICE_LEASE_READ) {
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int64_t own = SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (own != -ENOENT) return (int)keep_fd(own);
        /* Without /proc the duplicate will do, if it was opened read-only. */
    }
    return (int)keep_fd(SYS(fcntl, fd, F_DUPFD_CLOEXEC, 0));
}

static int set_lease(int fd, int type, int32_t thread)
{
    struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = thread};
    int64_t failed = SYS(fcntl, fd, F_SETSIG, LEASE_SIGNAL);
    if (failed == 0) failed = SYS(fcntl, fd, F_SETOWN_EX, &owner);
    if (failed == 0) failed = SYS(fcntl, fd, F_SETLEASE, type);
    return (int)failed;
}

int32_t sluice_lease_open(int32_t context, int32_t fd, uint32_t type, uint32_t hold_ms)
{
    if (type != SLUICE_LEASE_READ && type != SLUICE_LEASE_WRITE) return -EINVAL;
    /* Outside the lock: a network filesystem may take its time. */
    int own = open_own(fd, type);
    if (own < 0) return own;
    int kernel_type = type == SLUICE_LEASE_READ ? F_RDLCK : F_WRLCK;
    lock();
    int32_t thread = context_is_open(context) ? lease_thread() : -EBADF;
    unlock();
    int failed = thread < 0 ? thread : set_lease(own, kernel_type, thread);
    if (failed < 0) {
        close_where_it_may_wait(own);
        return failed;
    }
    lock();
    int32_t handle = lease_enter(context, own, kernel_type, hold_ms);
    unlock();
    if (handle < 0) lease_end(own);
    return handle;
}

static int32_t state_of(const struct lease *lease)
{
    if (lease->fd < 0) return SLUICE_LEASE_GONE;
    return lease->wanted ? SLUICE_LEASE_WANTED : SLUICE_LEASE_HELD;
}

int32_t sluice_lease_release(int32_t handle)
{
    lock();
    struct lease *lease = lease_find(handle);
    /* The signal of a break may still be on its way. */
    if (lease) lease_look(lease);
    lease = lease_find(handle);
    int32_t result = lease ? state_of(lease) : -EBADF;
    if (lease) lease_free(lease);
    unlock();
    return result;
}

int32_t sluice_lease_reap(int32_t context, void *breaks, uint32_t capacity)
{
    lock();
    int32_t count = context_is_open(context) ? (int32_t)leases_tell(context, breaks, capacity) : -EBADF;
    unlock();
    return count;
}
