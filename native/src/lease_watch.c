/*
 * File leases (fcntl(2), F_SETLEASE): the kernel holds up a process that wants to open a file for writing, or to
 * truncate it, until its lease is released.
 *
 * The kernel tells of a break by a signal. It is directed at one thread (F_OWNER_TID), which has all signals blocked
 * and waits for it in rt_sigtimedwait(2): no handler is installed, and no other thread is ever disturbed. A signal
 * can be lost where the queue is full (RLIMIT_SIGPENDING; the SIGIO that comes instead stays blocked), so the leases
 * are also looked at once a second.
 *
 * A lease is released before the time that the kernel allows is up: then it would be taken by force.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "lanes.h"
#include "lease.h"
#include "threads.h"

#define LEASE_SIGNAL_SET (UINT64_C(1) << (LEASE_SIGNAL - 1))
#define SECOND INT64_C(1000000000)
/* /proc/sys/fs/lease-break-time where it can't be read (proc_sys_fs(5)). */
#define DEFAULT_BREAK_SECONDS 45
/* What is kept free of the kernel's time: an eighth of it, at most 5 s. */
#define MOST_RESERVE (5 * SECOND)

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

struct lease *lease_find(int32_t handle)
{
    return lease_of(table_find(&leases, handle));
}

uint32_t leases_open(void)
{
    return leases.used;
}

/* --- holding and releasing --- */

/*
 * A write lease lives on the caller's own open file description: closing its duplicate does not release it. Without
 * the lock.
 */
void lease_end(int32_t fd)
{
    SYS(fcntl, fd, F_SETLEASE, F_UNLCK);
    close_where_it_may_wait(fd);
}

static void release(struct lease *lease)
{
    int fd = lease->fd;
    lease->fd = -1;
    if (fd < 0 || defer(lease_end, fd)) return;
    SYS(fcntl, fd, F_SETLEASE, F_UNLCK);
    close_kept(fd);
}

void lease_free(struct lease *lease)
{
    release(lease);
    if (lease->wanted && !lease->told) untold--;
    table_give_back(&leases, &lease->slot);
}

void leases_release(int32_t context)
{
    for (struct lease *lease = NULL; (lease = next_lease(lease));)
        if (lease->context == context) lease_free(lease);
}

/* --- breaks --- */

/* How long a broken lease may be held at most, in ns. */
static int64_t safe_time(void)
{
    char text[16] = "";
    int fd = (int)keep_fd(SYS(openat, AT_FDCWD, "/proc/sys/fs/lease-break-time", O_RDONLY | O_CLOEXEC));
    if (fd >= 0) SYS(read, fd, text, sizeof text - 1);
    close_fd(&fd);
    int64_t seconds = strtol(text, NULL, 10);
    int64_t limit = (seconds > 0 ? seconds : DEFAULT_BREAK_SECONDS) * SECOND;
    return limit - min_i64(limit / 8, MOST_RESERVE);
}

/*
 * While a break is pending F_GETLEASE answers what the lease has to become: nothing, or a read lease. The lock is
 * given back meanwhile, for there may be many; whose descriptor is the same afterwards has had it all the time.
 */
void lease_look(struct lease *lease)
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
        if (lease->fd == fd) lease_look(lease);
}

static void look_at_all(void)
{
    for (struct lease *lease = NULL; (lease = next_lease(lease));)
        lease_look(lease);
}

static void release_overdue(void)
{
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    for (struct lease *lease = NULL; (lease = next_lease(lease));)
        if (lease->wanted && lease->deadline <= now) release(lease);
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
    uint64_t set = LEASE_SIGNAL_SET;
    siginfo_t info;
    int64_t wait = next_wait();
    unlock();
    struct timespec time = {.tv_sec = wait / SECOND, .tv_nsec = wait % SECOND};
    int64_t got = SYS(rt_sigtimedwait, &set, &info, wait < 0 ? NULL : &time, sizeof set);
    lock();
    /* A positive code is the kernel's own; anything else is our nudge, or the time for a look. */
    if (got == LEASE_SIGNAL && info.si_code > 0)
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

int32_t lease_thread(void)
{
    static bool started;
    if (!started && !thread_start(watch, NULL)) return -EAGAIN;
    started = true;
    while (atomic_load(&thread_id) == 0)
        SYS(futex, &thread_id, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return (int32_t)atomic_load(&thread_id);
}

/* The thread sleeps without a limit while there is no lease. */
static void nudge(void)
{
    int64_t process = SYS(getpid);
    SYS(tgkill, process, atomic_load(&thread_id), LEASE_SIGNAL);
}

/* --- entering and telling --- */

/* Takes charge of `fd`, which is leased, on success. */
int32_t lease_enter(int32_t context, int fd, int type, uint32_t hold_ms)
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
    lanes_look_out();
    int32_t handle = table_handle(&lease->slot);
    /* A break before it was entered could not be told. */
    lease_look(lease);
    return handle;
}

uint32_t leases_tell(int32_t context, struct sluice_lease_break *breaks, uint32_t capacity)
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
