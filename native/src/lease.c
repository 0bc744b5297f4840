/*
 * File leases (fcntl(2), F_SETLEASE): the kernel holds up whoever wants to open a file for writing, or to truncate it,
 * until its lease is released.
 *
 * The kernel tells of a break by a signal. It is directed at one thread (F_OWNER_TID), which has all signals blocked
 * and waits for it in rt_sigtimedwait(2): no handler is installed, and no other thread is ever disturbed. A signal can
 * be lost where the queue is full (RLIMIT_SIGPENDING; the SIGIO that comes instead stays blocked), so the leases are
 * also looked at once a second.
 *
 * Nobody is held up for as long as the kernel would allow: it calls that a timeout and takes the lease by force.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <linux/futex.h>

#include "threads.h"

/* A real-time signal, so that each break queues one of its own with the descriptor in it; below those of the libcs'
 * own. */
#define BREAK_SIGNAL 50
#define BREAK_SIGNAL_SET (UINT64_C(1) << (BREAK_SIGNAL - 1))

#define SECOND INT64_C(1000000000)
/* /proc/sys/fs/lease-break-time where it can't be read (proc_sys_fs(5)). */
#define DEFAULT_BREAK_SECONDS 45
/* What is kept free of the kernel's time: an eighth of it, at most 5 s. */
#define MOST_RESERVE (5 * SECOND)

struct lease {
    struct slot slot;
    int32_t context;
    int fd;     /* -1 once it has been released */
    int type;   /* F_RDLCK or F_WRLCK */
    int wanted; /* what somebody else wants, or 0 */
    bool told;
    int64_t most_held; /* ns after a break; 0: as long as is safe */
    int64_t deadline;
};

static struct table leases = {.entry_bytes = sizeof(struct lease)};
static uint32_t untold;
static _Atomic uint32_t thread_id;

static struct lease *lease_of(struct slot *slot)
{
    return (struct lease *)slot;
}

/* The lease after another one, the first after NULL. */
static struct lease *next_lease(const struct lease *lease)
{
    return lease_of(table_next(&leases, lease ? &lease->slot : NULL));
}

static struct lease *lease_find(int32_t handle)
{
    return lease_of(table_find(&leases, handle));
}

uint32_t leases_open(void)
{
    return leases.used;
}

/* --- holding and letting go --- */

/* A write lease lives on the caller's own open file description: its duplicate does not let it go by being closed. Without the lock. */
static void end_lease(int32_t fd)
{
    SYS(fcntl, fd, F_SETLEASE, F_UNLCK);
    close_where_it_may_wait(fd);
}

static void let_go(struct lease *lease)
{
    int fd = lease->fd;
    lease->fd = -1;
    if (fd < 0 || put_off(end_lease, fd)) return;
    SYS(fcntl, fd, F_SETLEASE, F_UNLCK);
    SYS(close, fd);
}

static void lease_free(struct lease *lease)
{
    let_go(lease);
    if (lease->wanted && !lease->told) untold--;
    table_give_back(&leases, &lease->slot);
}

void leases_release(int32_t context)
{
    for (struct lease *lease = NULL; (lease = next_lease(lease));)
        if (lease->context == context) lease_free(lease);
}

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
        if (own != -ENOENT) return (int)own;
        /* Without /proc the duplicate will do, if it was opened read-only. */
    }
    return (int)SYS(fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

static int set_lease(int fd, int type)
{
    struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = (pid_t)atomic_load(&thread_id)};
    int64_t failed = SYS(fcntl, fd, F_SETSIG, BREAK_SIGNAL);
    if (failed == 0) failed = SYS(fcntl, fd, F_SETOWN_EX, &owner);
    if (failed == 0) failed = SYS(fcntl, fd, F_SETLEASE, type);
    return (int)failed;
}

/* --- breaks --- */

/* How long a broken lease may be held at most, in ns. */
static int64_t safe_time(void)
{
    char text[16] = "";
    int fd = (int)SYS(openat, AT_FDCWD, "/proc/sys/fs/lease-break-time", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) SYS(read, fd, text, sizeof text - 1);
    close_fd(&fd);
    int64_t seconds = strtol(text, NULL, 10);
    int64_t limit = (seconds > 0 ? seconds : DEFAULT_BREAK_SECONDS) * SECOND;
    return limit - min_i64(limit / 8, MOST_RESERVE);
}

/*
 * While a break is pending F_GETLEASE answers what the lease has to become: nothing, or a read lease. The lock is given back meanwhile, for there may be
 * many; whose descriptor is the same afterwards has had it all the time.
 */
static void look_at(struct lease *lease)
{
    struct lease before = *lease;
    if (before.fd < 0 || before.wanted) return;
    unlock();
    int64_t left = SYS(fcntl, before.fd, F_GETLEASE);
    int64_t safe = left == before.type ? 0 : safe_time();
    lock();
    bool is_same = lease->slot.used && lease->slot.generation == before.slot.generation && lease->fd == before.fd;
    if (!is_same || lease->wanted || left == before.type) return;
    lease->wanted = left == F_RDLCK ? SLUICE_LEASE_READ : SLUICE_LEASE_WRITE;
    lease->deadline = clock_ns(CLOCK_MONOTONIC) + (lease->most_held ? min_i64(lease->most_held, safe) : safe);
    untold++;
    context_wake(lease->context);
}

static void look_at_fd(int fd)
{
    for (struct lease *lease = NULL; (lease = next_lease(lease));)
        if (lease->fd == fd) look_at(lease);
}

static void look_at_all(void)
{
    for (struct lease *lease = NULL; (lease = next_lease(lease));)
        look_at(lease);
}

static void release_overdue(void)
{
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    for (struct lease *lease = NULL; (lease = next_lease(lease));)
        if (lease->wanted && lease->deadline <= now) let_go(lease);
}

/* --- the thread --- */

/* Until when to wait for a signal: the next deadline, or the next look. -1: no lease is held. */
static int64_t next_wait(void)
{
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    int64_t wait = -1;
    for (struct lease *lease = NULL; (lease = next_lease(lease));) {
        if (lease->fd < 0) continue;
        int64_t until = lease->wanted ? lease->deadline - now : SECOND;
        if (until < 0) until = 0;
        wait = wait < 0 ? until : min_i64(wait, until);
    }
    return wait;
}

static void await_signal(void)
{
    uint64_t set = BREAK_SIGNAL_SET;
    siginfo_t info;
    int64_t wait = next_wait();
    unlock();
    struct timespec time = {.tv_sec = wait / SECOND, .tv_nsec = wait % SECOND};
    int64_t got = SYS(rt_sigtimedwait, &set, &info, wait < 0 ? NULL : &time, sizeof set);
    lock();
    /* A positive code is the kernel's own; anything else is our nudge, or the time for a look. */
    if (got == BREAK_SIGNAL && info.si_code > 0)
        look_at_fd(info.si_fd);
    else
        look_at_all();
    release_overdue();
}

static void *watch(void *unused)
{
    SYS(prctl, PR_SET_NAME, "sluice-lease", 0, 0, 0);
    atomic_store(&thread_id, (uint32_t)SYS(gettid));
    SYS(futex, &thread_id, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    lock();
    for (;;)
        await_signal();
    return unused;
}

static int thread_ensure(void)
{
    static bool started;
    if (!started && !thread_start(watch, NULL)) return -EAGAIN;
    started = true;
    while (atomic_load(&thread_id) == 0)
        SYS(futex, &thread_id, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return 0;
}

/* The thread sleeps without a limit while there is no lease. */
static void nudge(void)
{
    int64_t process = SYS(getpid);
    SYS(tgkill, process, atomic_load(&thread_id), BREAK_SIGNAL);
}

/* --- what is called --- */

/* Takes charge of `fd`, which is leased, on success. */
static int32_t lease_enter(int32_t context, int fd, int type, uint32_t hold_ms)
{
    if (!context_is_open(context)) return -EBADF;
    struct lease *lease = lease_of(table_take(&leases));
    if (!lease) return -ENOMEM;
    *lease = (struct lease){
        .slot = lease->slot,
        .context = context,
        .fd = fd,
        .type = type,
        .most_held = (int64_t)hold_ms * 1000000,
    };
    if (leases.used == 1) nudge();
    if (context_may_be_lost()) lanes_attend();
    int32_t handle = table_handle(&lease->slot);
    /* A break before it was entered had nobody to be told to. */
    look_at(lease);
    return handle;
}

int32_t sluice_lease_open(int32_t context, int32_t fd, uint32_t type, uint32_t hold_ms)
{
    if (type != SLUICE_LEASE_READ && type != SLUICE_LEASE_WRITE) return -EINVAL;
    /* Outside the lock: a network filesystem may take its time. */
    int own = open_own(fd, type);
    if (own < 0) return own;
    int kernel_type = type == SLUICE_LEASE_READ ? F_RDLCK : F_WRLCK;
    lock();
    int failed = context_is_open(context) ? thread_ensure() : -EBADF;
    unlock();
    if (failed == 0) failed = set_lease(own, kernel_type);
    if (failed < 0) {
        close_where_it_may_wait(own);
        return failed;
    }
    lock();
    int32_t handle = lease_enter(context, own, kernel_type, hold_ms);
    unlock();
    if (handle < 0) end_lease(own);
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
    if (lease) look_at(lease);
    lease = lease_find(handle);
    int32_t result = lease ? state_of(lease) : -EBADF;
    if (lease) lease_free(lease);
    unlock();
    return result;
}

static uint32_t reap(int32_t context, struct sluice_lease_break *breaks, uint32_t capacity)
{
    uint32_t count = 0;
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    for (struct lease *lease = NULL; untold > 0 && count < capacity && (lease = next_lease(lease));) {
        if (lease->context != context || !lease->wanted || lease->told) continue;
        lease->told = true;
        untold--;
        breaks[count++] = (struct sluice_lease_break){
            .lease = table_handle(&lease->slot),
            .wanted = (uint32_t)lease->wanted,
            .remaining_ns = lease->fd < 0 || lease->deadline < now ? 0 : lease->deadline - now,
        };
    }
    return count;
}

int32_t sluice_lease_reap(int32_t context, void *breaks, uint32_t capacity)
{
    lock();
    int32_t count = context_is_open(context) ? (int32_t)reap(context, breaks, capacity) : -EBADF;
    unlock();
    return count;
}
