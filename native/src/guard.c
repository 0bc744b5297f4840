/*
 * The SIGBUS guard. A page of a mapping whose file has become shorter, or can't be read, has nothing behind it: a
 * thread that touches it gets SIGBUS, again and again if the handler just returns. The handler therefore notes the
 * first lost offset and maps zero pages over the rest of the mapping (mmap(2), MAP_FIXED); then the access succeeds.
 * Faults elsewhere, and signals that a process sent, go to the handler that was there before.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "mappings.h"

static struct sigaction previous, guard;
static _Atomic bool former_is_gone;
static uintptr_t page_size;
static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * Each page is replaced once, so that what was written to one that took its place stays: the fault that moves `hole`
 * down maps the pages up to its former value. A thread behind it tries its access again until they are there.
 * The loss is noted first: another thread may read the zeros at once.
 */
static bool mend(struct mapping *mapping, uintptr_t address)
{
    uintptr_t page = address & ~(page_size - 1), hole = atomic_load(&mapping->hole);
    if (page >= hole) return true;
    mapping_lose(mapping, mapping->offset + (int64_t)(page - atomic_load(&mapping->start)));
    mapping_note_size(mapping);
    while (!atomic_compare_exchange_weak(&mapping->hole, &hole, page))
        if (page >= hole) return true;
    int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    return SYS(mmap, page, hole - page, PROT_READ | PROT_WRITE, flags, -1, 0) >= 0;
}

/* Ends the process as if the signal had not been handled: it is pending, with all that it told, until we return. */
static void take_default(siginfo_t *info)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(SIGBUS, &action, NULL);
    int64_t thread = SYS(gettid);
    SYS(rt_tgsigqueueinfo, getpid(), thread, SIGBUS, info);
}

static bool former_has_function(void)
{
    return !atomic_load(&former_is_gone) && previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN;
}

/* A former handler may go back to the default by itself, as the one of Rust's runtime does: that was for it alone. */
static void stay(void)
{
    struct sigaction now;
    if (sigaction(SIGBUS, NULL, &now) == -1 || now.sa_handler != SIG_DFL) return;
    atomic_store(&former_is_gone, true);
    sigaction(SIGBUS, &guard, NULL);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    /* A fault can't be ignored; only what was sent can be ignored. */
    if (previous.sa_handler == SIG_IGN && info->si_code <= 0) return;
    if (!former_has_function()) return take_default(info);
    if (previous.sa_flags & SA_RESETHAND) atomic_store(&former_is_gone, true);
    if (previous.sa_flags & SA_SIGINFO)
        previous.sa_sigaction(number, info, context);
    else
        previous.sa_handler(number);
    stay();
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    int before = errno;
    if (info->si_code != BUS_ADRERR || !mappings_try((uintptr_t)info->si_addr, mend)) pass_on(number, info, context);
    errno = before;
}

/* As without us, as far as can be: with the former handler's mask, and interrupting no more calls than it did. */
static int64_t install(void)
{
    if (page_size) return 0;
    int64_t failed = mappings_prepare();
    if (failed < 0) return failed;
    if (sigaction(SIGBUS, NULL, &previous) == -1) return -errno;
    guard = (struct sigaction){
        .sa_sigaction = on_bus_error,
        .sa_mask = previous.sa_mask,
        .sa_flags = SA_SIGINFO | SA_ONSTACK,
    };
    guard.sa_flags |= former_has_function() ? previous.sa_flags & (SA_NODEFER | SA_RESTART) : SA_RESTART;
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    if (sigaction(SIGBUS, &guard, NULL) == 0) return 0;
    page_size = 0;
    return -errno;
}

int guard_install(void)
{
    pthread_mutex_lock(&install_lock);
    int64_t failed = install();
    pthread_mutex_unlock(&install_lock);
    return (int)failed;
}
